//go:build unix

package main

import (
	"os"
	"syscall"
)

// dropEnvironment starts this program again without any variable: the host could
// otherwise make the runtime print more (GOTRACEBACK, GODEBUG) than this program
// can forbid later.
func dropEnvironment() error {
	if len(os.Environ()) == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, nil) //nolint:gosec // this very program
}
