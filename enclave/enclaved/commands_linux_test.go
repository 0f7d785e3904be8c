//go:build !ego && !gramine

package main

// commands are what this test binary can be run as.
func commands() map[string]func() {
	return map[string]func(){"enclaved": main, openerName: opener}
}
