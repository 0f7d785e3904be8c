//go:build !linux

package launch

import "syscall"

// monotonic: no service manager here asks for it.
func monotonic() string { return "0" }

// receiveBuffer is not known here.
func receiveBuffer(syscall.Conn) (size int, ok bool) { return 0, false }
