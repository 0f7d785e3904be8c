package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	patience = 30 * time.Second
	tick     = 20 * time.Millisecond
)

// daemons returns the routerd and enclaved processes that were started from folder bin; enclaved counts once it serves.
func daemons(bin string) []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		line, _ := os.ReadFile(path) // #nosec G304 -- /proc
		words := strings.Split(string(line), "\x00")
		if filepath.Dir(words[0]) == bin && filepath.Base(words[0]) != "demo" && !slices.Contains(words, "dev-init") {
			found = append(found, words[0])
		}
	}
	return found
}
