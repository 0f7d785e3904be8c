package measure

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counterBytes is what a counter reads as: the count, and for how many
// nanoseconds it was wanted and was running.
const counterBytes = 24

// cacheMisses counts the last-level cache misses of the calling thread, in user
// space, while do runs. It returns nil where the machine or its rules have no such
// counter.
func cacheMisses(do func()) *float64 {
	fd, ok := openCounter()
	if !ok {
		return nil
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0) != nil {
		return nil
	}
	do()
	if unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_DISABLE, 0) != nil {
		return nil
	}
	var b [counterBytes]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
		return nil
	}
	return counted(b)
}

// openCounter prefers reads that miss the last level; some processors have only
// the general count of misses.
func openCounter() (fd int, ok bool) {
	const readMiss = unix.PERF_COUNT_HW_CACHE_LL | unix.PERF_COUNT_HW_CACHE_OP_READ<<8 | unix.PERF_COUNT_HW_CACHE_RESULT_MISS<<16
	for _, c := range []struct {
		typ    uint32
		config uint64
	}{
		{unix.PERF_TYPE_HW_CACHE, readMiss},
		{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_MISSES},
	} {
		attr := unix.PerfEventAttr{
			Type: c.typ, Config: c.config,
			Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})), // #nosec G103 -- a size only
			Bits:        unix.PerfBitDisabled | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
			Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
		}
		if fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC); err == nil {
			return fd, true
		}
	}
	return 0, false
}

// counted scales a count to the time it was wanted for, because counters take
// turns where there are too few. One that never ran counted nothing.
func counted(b [counterBytes]byte) *float64 {
	count, wanted, running := binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:]), binary.NativeEndian.Uint64(b[16:])
	if running == 0 {
		return nil
	}
	misses := float64(count) * float64(wanted) / float64(running)
	return &misses
}
