package launch

import (
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes: the child dies with its parent, and signals from a terminal reach the parent only, which ends the child in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// socketPair is a connected pair of sockets that no child inherits by itself.
func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "pager"), os.NewFile(uintptr(fds[1]), "enclaved"), nil
}

// from says whether conn was opened by process pid, or by one that it has started (a runtime such as `ego run` is between
// routerd and enclaved), under this user.
func from(conn *net.UnixConn, pid int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return false
	}
	return int(peer.Uid) == os.Geteuid() && descends(int(peer.Pid), pid)
}

// maxGenerations bounds how far below its child routerd looks for the enclave.
const maxGenerations = 8

// descends says whether a process is pid or below it.
func descends(process, pid int) bool {
	for range maxGenerations {
		if process == pid {
			return true
		}
		f, err := stat(process)
		if err != nil {
			return false
		}
		if process, err = strconv.Atoi(string(f[fieldParent])); err != nil {
			return false
		}
	}
	return false
}
