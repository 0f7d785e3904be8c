//go:build unix && !linux && !ego && !gramine

package main

import (
	"os"
	"slices"
)

// startAgain starts this program once more with the quiet environment; in the
// second run it only returns.
func startAgain() error {
	if slices.Equal(os.Environ(), quiet()) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return execSelf(self)
}
