//go:build ego || gramine

package main

import (
	"errors"
	"os"
)

// errLoud: a Go runtime that dies would print stacks, whose words are data, and the
// host would read them.
var errLoud = errors.New("want GOTRACEBACK=none and no GODEBUG, from what is measured: env of EGo's enclave.json, loader.env of Gramine's manifest")

// startAgain cannot start this program again inside an enclave, so that the
// environment has to be quiet from the start. The runtime read it before this
// program had a word in it.
func startAgain() error {
	if os.Getenv("GOTRACEBACK") != "none" || os.Getenv("GODEBUG") != "" {
		return errLoud
	}
	return nil
}

// muteRuntime has no second descriptor to give to the runtime (no dup2): there is
// only the quiet environment.
func muteRuntime() (*os.File, error) { return os.Stderr, nil }
