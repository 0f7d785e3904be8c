package launch

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes: the child dies with its parent, and signals from a terminal reach the parent only, which ends the child in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// from says whether conn was opened by process pid under this user.
func from(conn *net.UnixConn, pid int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return false
	}
	return int(peer.Pid) == pid && int(peer.Uid) == os.Geteuid()
}
