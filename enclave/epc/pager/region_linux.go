package pager

import (
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Region is memory whose pages a pager process serves. Bytes may be read and written by
// any goroutine; the other methods by any, one after the other.
type Region struct {
	bytes    []byte
	faults   int // kept open: without it the kernel would give zeros for what is missing
	memory   int
	lifeline int // ends when the pager's process does
	conn     *os.File
	watch    *watch // from EndWith

	mu      sync.Mutex
	replies chan message
	done    chan struct{}
}

// Attach makes a region of size bytes, whole pages, which the pager at the other end of
// conn serves from then on. It takes conn over.
func Attach(conn *os.File, size int) (*Region, error) {
	if size <= 0 || size > MaxBytes || size%PageBytes != 0 {
		return nil, &Error{Op: "attach", Kind: KindConfig}
	}
	r := &Region{conn: conn, faults: -1, memory: -1, lifeline: -1, replies: make(chan message, 1), done: make(chan struct{})}
	if err := r.open(size); err != nil {
		r.release()
		return nil, err
	}
	go r.listen()
	return r, nil
}

func (r *Region) open(size int) (err error) {
	if r.faults, err = openFaults(); err != nil {
		return err
	}
	if r.memory, err = unix.MemfdCreate("scbr-epc", unix.MFD_CLOEXEC); err != nil {
		return system("memory", err)
	}
	if err = unix.Ftruncate(r.memory, int64(size)); err != nil {
		return system("memory", err)
	}
	r.bytes, err = unix.Mmap(r.memory, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return system("memory", err)
	}
	if err = register(r.faults, r.bytes); err != nil {
		return &Error{Op: "register", Kind: KindUnsupported, Err: err}
	}
	var line [2]int
	if err = unix.Pipe2(line[:], unix.O_CLOEXEC); err != nil {
		return system("lifeline", err)
	}
	r.lifeline = line[0]
	defer func() { _ = unix.Close(line[1]) }()
	hello := message{op: opAttach}
	hello.n[0], hello.n[1] = uint64(uintptr(unsafe.Pointer(&r.bytes[0]))), uint64(size) // #nosec G103 -- an address for the pager
	fd := int(r.conn.Fd())                                                              // blocking from now on
	if err = unix.Sendmsg(fd, hello.encode(), unix.UnixRights(r.faults, r.memory, line[1]), nil, 0); err != nil {
		return &Error{Op: "attach", Kind: KindGone, Err: err}
	}
	if m, err := readMessage(r.conn); err != nil || m.op != opAttach {
		return &Error{Op: "attach", Kind: KindGone, Err: err}
	}
	return nil
}

// listen hands replies on until the pager hangs up.
func (r *Region) listen() {
	for {
		m, err := readMessage(r.conn)
		if err != nil {
			close(r.done)
			return
		}
		r.replies <- m
	}
}

// Bytes returns the region. Touching it after the pager has gone waits for ever: whoever
// uses it ends the process when Done says so.
func (r *Region) Bytes() []byte { return r.bytes }

// Done is closed when the pager has gone.
func (r *Region) Done() <-chan struct{} { return r.done }

func (r *Region) ask(m message) (message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := writeMessage(r.conn, &m); err != nil {
		return message{}, &Error{Op: "ask", Kind: KindGone, Err: err}
	}
	select {
	case reply := <-r.replies:
		if reply.op != m.op {
			return message{}, &Error{Op: "ask", Kind: KindProtocol}
		}
		return reply, nil
	case <-r.done:
		return message{}, &Error{Op: "ask", Kind: KindGone}
	}
}

// Discard gives up the n bytes from off on, whole pages. They read as zero afterwards.
func (r *Region) Discard(off, n int) error {
	if off < 0 || n < 0 || off%PageBytes != 0 || n%PageBytes != 0 || n > len(r.bytes)-off {
		return &Error{Op: "discard", Kind: KindConfig}
	}
	_, err := r.ask(message{op: opDiscard, n: [messageNumbers]uint64{uint64(off), uint64(n)}})
	return err
}

// Limit changes how many pages can be resident, 0 for all, and takes those away that
// are too many.
func (r *Region) Limit(pages int) error {
	if pages < 0 {
		return &Error{Op: "limit", Kind: KindConfig}
	}
	_, err := r.ask(message{op: opLimit, n: [messageNumbers]uint64{uint64(pages)}})
	return err
}

// Counters returns what happened so far.
func (r *Region) Counters() (Counters, error) {
	m, err := r.ask(message{op: opCounters})
	return Counters{m.n[0], m.n[1], m.n[2], m.n[3], time.Duration(m.n[4])}, err //nolint:gosec // nanoseconds since the start
}

// Loads returns Counters.Loads.
func (r *Region) Loads() (uint64, error) {
	c, err := r.Counters()
	return c.Loads, err
}

// Close gives the region up. Nobody may touch it any more. The pager ends.
func (r *Region) Close() error {
	r.watch.close()
	_ = unix.Shutdown(int(r.conn.Fd()), unix.SHUT_RDWR)
	<-r.done
	r.release()
	return nil
}

func (r *Region) release() {
	if r.bytes != nil {
		_ = unix.Munmap(r.bytes)
		r.bytes = nil
	}
	for _, fd := range []*int{&r.faults, &r.memory} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
	if r.watch == nil && r.lifeline >= 0 { // a watcher still reads from it
		_ = unix.Close(r.lifeline)
	}
	_ = r.conn.Close()
}

// Pair returns the two ends of the socket between an enclave and its pager.
func Pair() (enclave, pager *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, system("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "pager"), os.NewFile(uintptr(fds[1]), "enclave"), nil
}
