package launch

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// monotonic is the time that sd_notify(3) asks for beside RELOADING, in microseconds.
func monotonic() string {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return "0"
	}
	return strconv.FormatInt(t.Nano()/1000, 10)
}

// receiveBuffer is the size of a socket's receive buffer as it was asked for; the kernel keeps twice as much (socket(7)).
func receiveBuffer(c syscall.Conn) (size int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	err2 := raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	return size / 2, err == nil && err2 == nil
}
