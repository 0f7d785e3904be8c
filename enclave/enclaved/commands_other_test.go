//go:build !linux || ego || gramine

package main

func commands() map[string]func() { return map[string]func(){"enclaved": main} }
