//go:build !linux

package launch

import (
	"net"
	"syscall"
)

// childAttributes: without a parent-death signal the child ends when its link does.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// from cannot tell here; the directory of the socket is private.
func from(*net.UnixConn, int) bool { return true }
