//go:build !unix

package main

func dropEnvironment() error { return nil }
