// Package cputime reads the processor's clock of one thread, for measurements
// that others on the machine must not disturb. Nobody lies to it but the kernel.
// It promises nothing for a goroutine that is not locked to its thread: that may
// have moved to another one, with another clock.
package cputime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Thread is the processor time of the calling thread, which the caller has
// locked. It falls back to the wall clock where the kernel does not say.
func Thread() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}
