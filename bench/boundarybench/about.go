package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// unknown stands for what the machine does not say.
const unknown = "unknown"

// origin says where and of what a report is.
type origin struct {
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	Clocks  string `json:"clocks"`
	Process string `json:"process"`
	EPC     string `json:"epc"` // of side paged; empty: it was left out
}

// clocks says which clock times what.
const clocks = "cpu_ns: CLOCK_THREAD_CPUTIME_ID of the measuring thread for plain and core, CLOCK_PROCESS_CPUTIME_ID of enclaved " +
	"(user and kernel) for process, of enclaved and its pager for paged; wall_ns: the monotonic clock, from handing a batch over to the last frame of its answer"

// boundary says what is not measured.
const boundary = "an ordinary process in its sandbox behind a unix socket, one batch in flight; not an SGX enclave, whose ecalls cost " +
	"something else and whose memory is encrypted"

func about(ctx context.Context, epc string) origin {
	return origin{
		Commit: commit(ctx), Date: time.Now().UTC().Format(time.DateOnly), CPU: processor(), Cores: runtime.NumCPU(),
		Kernel: firstLine("/proc/sys/kernel/osrelease"), Go: runtime.Version(), Clocks: clocks, Process: boundary, EPC: epc,
	}
}

// commit is that of the source tree around the working directory, marked where files differ from it.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*").Output()
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(out))
}

// processor is the name that the kernel has for it.
func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func firstLine(path string) string {
	b, err := os.ReadFile(path) // #nosec G304 -- a constant
	if err != nil {
		return unknown
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
