//go:build !linux

// Package cputime reads the wall clock: elsewhere a thread's processor time has
// no portable source.
package cputime

import "time"

// Thread is the wall clock.
func Thread() time.Duration { return time.Duration(time.Now().UnixNano()) }
