//go:build !linux

package trial

import "syscall"

// dieWithParent has no equal here: a trial that is killed leaves its daemons behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
