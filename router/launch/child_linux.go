package launch

import "syscall"

// childAttributes: the child dies with its parent, and signals from a terminal reach the parent only, which ends the child in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
