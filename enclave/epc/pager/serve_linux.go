package pager

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// attached is how many descriptors the enclave passes: userfaultfd, memory, and the
// lifeline, which only has to stay open as long as this process lives.
const attached = 3

// maxEvents is how many faults are read at a time.
const maxEvents = 16

// server is the pager process. The loop that reads faults and the one that reads
// requests take turns.
type server struct {
	conn   *os.File
	faults int
	memory int
	base   uint64
	pages  *pages

	mu   sync.Mutex
	busy time.Duration
	test func(*pages, message) // of a test's pager
}

// Serve is the whole work of a pager process: it waits for an enclave on conn and serves
// its region until the enclave hangs up, which is no error. An error of KindSealed says
// that a page was changed where it was kept; whatever the error, the process must end
// then, and what it holds with it.
func Serve(conn *os.File, cfg Config) error { return serve(conn, cfg, nil) }

func serve(conn *os.File, cfg Config, test func(*pages, message)) error {
	if cfg.Pages < 0 {
		return &Error{Op: "serve", Kind: KindConfig}
	}
	s := &server{conn: conn, test: test}
	if err := s.accept(cfg); err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- s.serveFaults() }()
	go func() { failed <- s.serveRequests() }()
	return <-failed // the process ends with it, so nobody waits for the other
}

// accept takes the enclave's descriptors.
func (s *server) accept(cfg Config) error {
	fd := int(s.conn.Fd())
	var b [messageBytes]byte
	rights := make([]byte, unix.CmsgSpace(attached*4))
	n, m, _, _, err := unix.Recvmsg(fd, b[:], rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_WAITALL)
	if err != nil || n == 0 {
		return &Error{Op: "accept", Kind: KindGone, Err: err}
	}
	hello := decode(b[:])
	size := hello.n[1]
	if n != messageBytes || hello.op != opAttach || size == 0 || size > MaxBytes || size%PageBytes != 0 {
		return &Error{Op: "accept", Kind: KindProtocol}
	}
	fds, err := descriptors(rights[:m])
	if err != nil {
		return err
	}
	s.faults, s.memory, s.base = fds[0], fds[1], hello.n[0]
	if s.pages, err = newPages(s.faults, s.memory, s.base, int(size), cfg); err != nil { //nolint:gosec // at most MaxBytes
		return err
	}
	return writeMessage(s.conn, &hello)
}

func descriptors(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, &Error{Op: "accept", Kind: KindProtocol, Err: err}
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != attached {
		return nil, &Error{Op: "accept", Kind: KindProtocol, Err: err}
	}
	return fds, nil
}

func (s *server) serveFaults() error {
	runtime.LockOSThread()
	events := make([]byte, maxEvents*eventBytes)
	for {
		n, err := unix.Read(s.faults, events)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return system("faults", err)
		}
		if err := s.handle(events[:n]); err != nil {
			return err
		}
	}
}

func (s *server) handle(events []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := time.Now()
	for ; len(events) >= eventBytes; events = events[eventBytes:] {
		if events[0] != eventPagefault {
			return &Error{Op: "faults", Kind: KindProtocol}
		}
		address := binary.NativeEndian.Uint64(events[16:])
		if err := s.pages.fault(address, binary.NativeEndian.Uint64(events[8:])); err != nil {
			return err
		}
	}
	s.busy += time.Since(start)
	return nil
}

func (s *server) serveRequests() error {
	for {
		m, err := readMessage(s.conn)
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
			return nil
		}
		if err != nil {
			return system("requests", err)
		}
		if err := s.request(&m); err != nil {
			return err
		}
		if err := writeMessage(s.conn, &m); err != nil {
			return nil //nolint:nilerr // it hung up meanwhile
		}
	}
}

// request does what is asked for and makes m its reply.
func (s *server) request(m *message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pages
	switch m.op {
	case opDiscard:
		if m.n[0]%PageBytes != 0 || m.n[1]%PageBytes != 0 || m.n[0] > p.bytes() || m.n[1] > p.bytes()-m.n[0] {
			return &Error{Op: "discard", Kind: KindProtocol}
		}
		return p.discard(uint32(m.n[0]/PageBytes), uint32(m.n[1]/PageBytes)) //nolint:gosec // at most MaxBytes/PageBytes
	case opLimit:
		if m.n[0] > MaxBytes/PageBytes {
			m.n[0] = 0
		}
		return p.setLimit(int(m.n[0])) //nolint:gosec // bounded above
	case opCounters:
		c := p.counters
		m.n = [messageNumbers]uint64{c.Faults, c.Loads, c.Evictions, c.Minor, uint64(s.busy)} //nolint:gosec // not negative
		return nil
	case opTest:
		if s.test != nil {
			s.test(p, *m)
			return nil
		}
	}
	return &Error{Op: "request", Kind: KindProtocol}
}
