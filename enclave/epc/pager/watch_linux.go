package pager

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch ends this process when its pager is gone. It must work when a thread is stuck
// in a fault that nobody will serve: the Go scheduler may then wait for that thread
// for ever (it holds the only P, or the world is being stopped and memmove cannot be
// preempted). So the watcher never comes back from its system call into the scheduler:
// after the runtime was told that it is in one it reads, writes the message, and ends
// the process, by bare system calls.
type watch struct {
	lifeline uintptr // nothing ever comes but the end, when the pager's end of it is closed
	closing  uint32  // 1: the end is wanted
	log      uintptr
	text     []byte
	buf      [1]byte
}

// EndWith makes the loss of the pager the end of this process, with ExitLost and a line
// on log, whatever its goroutines are stuck in. Only Close makes it harmless.
func (r *Region) EndWith(log *os.File) {
	w := &watch{
		lifeline: uintptr(r.lifeline), log: log.Fd(),
		text: []byte("pager: the pager of the simulated EPC is gone: this process ends\n"),
	}
	r.watch = w
	go func() {
		w.wait()
		_ = unix.Close(int(w.lifeline))
		runtime.KeepAlive(log)
	}()
}

func (w *watch) close() {
	if w != nil {
		atomic.StoreUint32(&w.closing, 1)
	}
}

// wait is written for a thread without a P: no stack may grow, nothing be allocated,
// no barrier or race check be made. It returns when the end is wanted.
//
//go:nosplit
//go:norace
func (w *watch) wait() {
	text, n, buf := unsafe.Pointer(&w.text[0]), uintptr(len(w.text)), unsafe.Pointer(&w.buf[0]) // #nosec G103 -- for bare system calls
	enterSyscall()
	for {
		if _, _, e := syscall.RawSyscall(unix.SYS_READ, w.lifeline, uintptr(buf), 1); e != unix.EINTR {
			break
		}
	}
	for w.closing == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, w.log, uintptr(text), n)
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, ExitLost, 0, 0)
	}
	exitSyscall()
}

// What package syscall itself does around a call that may block.

//go:linkname enterSyscall runtime.entersyscall
func enterSyscall()

//go:linkname exitSyscall runtime.exitsyscall
func exitSyscall()
