package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	patience = 30 * time.Second
	tick     = 20 * time.Millisecond
)

func goEnv(t *testing.T, key string) string {
	t.Helper()
	out, err := exec.Command("go", "env", key).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// daemons returns the routerd and enclaved processes that run from folder bin; enclaved counts once it serves.
func daemons(bin string) []string {
	var found []string
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, e := range exes {
		target, err := os.Readlink(e)
		if err != nil || filepath.Dir(target) != bin || filepath.Base(target) == "demo" {
			continue
		}
		if line, _ := os.ReadFile(filepath.Join(filepath.Dir(e), "cmdline")); !strings.Contains(string(line), "dev-init") { // #nosec G304 -- /proc
			found = append(found, target)
		}
	}
	return found
}
