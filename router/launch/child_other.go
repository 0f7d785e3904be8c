//go:build !linux

package launch

import "syscall"

// childAttributes: without a parent-death signal the child ends when its link does.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
