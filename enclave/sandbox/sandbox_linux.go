//go:build !ego && !gramine

package sandbox

import (
	"fmt"
	"os"
	"runtime"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

func parts() []part {
	return []part{
		{PartDumpable, nonDumpable},
		{PartCore, noCore},
		{PartUntraced, untraced},
		{PartLandlock, restrictLandlock},
		{PartSeccomp, restrictSyscalls},
	}
}

func nonDumpable() (string, error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return "", err
	}
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err == nil && v != 0 {
		err = fmt.Errorf("still %d", v)
	}
	return "", err
}

func noCore() (string, error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return "", err
	}
	var lim unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &lim)
	if err == nil && lim != (unix.Rlimit{}) {
		err = fmt.Errorf("still %d", lim.Cur)
	}
	return "", err
}

// restrictLandlock permits no path, no TCP port, and neither signals nor
// abstract sockets to the outside, as far as this kernel's version knows them;
// what an old version does not know, seccomp forbids.
func restrictLandlock() (string, error) {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil || version < 1 {
		return "", fmt.Errorf("the kernel does not offer it (%w)", err)
	}
	if err := landlock.V9.BestEffort().Restrict(); err != nil {
		return "", err
	}
	return fmt.Sprintf(" (ABI %d)", version), nil
}

// allowed are the system calls that the Go runtime and the one open connection
// need. Reading and writing work on descriptors that are open already; none of
// these opens one, except for the poller of the runtime.
func allowed() []string {
	return []string{
		"read", "write", "close",
		"epoll_create1", "epoll_wait", "epoll_pwait", "epoll_ctl", "eventfd2",
		"futex", "nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday",
		"sched_yield", "sched_getaffinity", "getrandom",
		"munmap", "madvise", "mincore", "brk", "mremap",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
		"getpid", "gettid", "set_robust_list", "rseq",
		"exit", "exit_group", "restart_syscall",
	}
}

// conditional are the calls allowed for some arguments only: new threads but no
// processes, memory that is not executable, signals to this process.
func conditional() []seccomp.NameWithConditions {
	only := func(name string, arg uint32, op seccomp.Operation, v uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{
			{Argument: arg, Operation: op, Value: v},
		}}
	}
	return []seccomp.NameWithConditions{
		only("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),
		only("mmap", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		only("mprotect", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		only("tgkill", 0, seccomp.Equal, uint64(os.Getpid())),
	}
}

// restrictSyscalls installs the filter for all threads. Everything not allowed
// fails with EPERM, also for another architecture's numbers; clone3 fails with
// ENOSYS, which makes the C library fall back to clone, whose flags a filter
// can see.
func restrictSyscalls() (string, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return "", err
	}
	var names []string
	for _, n := range allowed() {
		if _, ok := info.SyscallNames[n]; ok { // arm64 has no epoll_wait
			names = append(names, n)
		}
	}
	runtime.LockOSThread() // no_new_privs and the filter start from one thread
	defer runtime.UnlockOSThread()
	return "", seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: names, NamesWithCondtions: conditional()},
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
			},
		},
	})
}
