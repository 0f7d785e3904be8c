package enclave

import (
	"container/list"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// Config is what a Core is made of.
type Config struct {
	Domain   keyx.Domain
	Router   string // the name clients dial
	Platform platform.Platform
	Memory   matcher.Memory // where the subscription store lives
	Spill    bool           // what does not fit it is kept outside; Memory is a matcher.Outside
	Rand     io.Reader
	Limits   Limits
	// Paging counts the faults and evictions of a simulated EPC; nil: there is none.
	Paging func() (faults, evictions uint64)
	// Heap returns the bytes that the Go runtime holds; nil: they are not told.
	Heap func() int64
}

// Core is the trusted state machine. It belongs to one goroutine.
type Core struct {
	keys    keyring
	domain  keyx.Domain
	list    *keyx.RevocationList // in force; nil: none yet
	minList uint64               // endorsers want nobody served under an older one
	info    platform.Info
	store   *matcher.Store
	spills  bool
	limits  Limits

	now      time.Time // never goes back
	expiry   time.Time // no live session's grant ends before it
	nextBeat time.Time
	done     bool

	conns    map[uint64]*conn
	halfOpen *list.List // of *conn, oldest first
	sessions []*session // by slot; nil: free
	free     []uint32   // free slots
	live     uint32     // sessions alive
	lastID   uint64     // last session id given
	subjects subjects

	resumables resumables
	rand       io.Reader

	paging func() (faults, evictions uint64)
	heap   func() int64

	emit func([]byte) error // takes output early; nil: all of it is returned
	out  []byte
	work scratch
	todo pending
	sums sums
}

// scratch is memory reused from message to message.
type scratch struct {
	plain []byte // an opened blob
	event filter.Event
	tags  []uint64
	ids   []uint32
	ctl   []byte // a control message
}

// pending is the output that waits for the end of the Step.
type pending struct {
	delivering []*session
	acking     []*session
	handled    []span
	bytes      int // envelopes gathered
	spare      []batch
	waiting    []waiting // publications to be matched
	attrs      []byte    // of theirs
}

// span is a range of payload references.
type span struct {
	ref   uint64
	count uint16
}

// sums count since the start.
type sums struct{ handled, matched, refused, ended, resumed uint64 }

// conn is a connection of the host: a handshake or a session.
type conn struct {
	number    uint64
	responder *keyx.Responder
	deadline  time.Time
	place     *list.Element // in halfOpen while the handshake lasts
	session   *session
}

// New boots a core: a fresh identity with evidence from the platform, and an
// empty store.
func New(cfg Config) (*Core, error) {
	limits := cfg.Limits.withDefaults()
	if cfg.Platform == nil || cfg.Memory == nil || cfg.Rand == nil || !limits.valid() {
		return nil, &Error{Op: "new", Kind: KindConfig}
	}
	identity, err := keyx.NewIdentity(keyx.IdentityConfig{
		Domain: cfg.Domain, Router: cfg.Router, Epoch: 1, Rand: cfg.Rand, Quote: cfg.Platform.Quote,
	})
	if err != nil {
		return nil, &Error{Op: "identity", Kind: KindConfig, Err: err}
	}
	store, err := newStore(cfg)
	if err != nil {
		return nil, &Error{Op: "store", Kind: KindConfig, Err: err}
	}
	return &Core{
		keys: keyring{now: identity}, domain: cfg.Domain, info: cfg.Platform.Info(), store: store, spills: cfg.Spill, limits: limits,
		conns: map[uint64]*conn{}, halfOpen: list.New(), subjects: newSubjects(limits.MaxSubjects),
		resumables: newResumables(limits.MaxResumable), rand: cfg.Rand, paging: cfg.Paging, heap: cfg.Heap,
	}, nil
}

// newStore seeds the hash tables, so that nobody outside can aim at collisions.
func newStore(cfg Config) (*matcher.Store, error) {
	var seed [8]byte
	if _, err := io.ReadFull(cfg.Rand, seed[:]); err != nil {
		return nil, err
	}
	return matcher.New(cfg.Memory, matcher.Config{Seed: binary.BigEndian.Uint64(seed[:]), Spill: cfg.Spill})
}

// Ready appends the frames that an enclave sends first: Ready and Statement.
func (c *Core) Ready(dst []byte) []byte {
	var measurement [abi.MeasurementLen]byte
	copy(measurement[:], c.info.Measurement)
	dst = abi.AppendReady(dst, c.keys.now.Instance(), measurement, c.info.Simulated)
	return abi.AppendStatement(dst, c.keys.now.Statement())
}

// Done says that the core was shut down: what Step returned last is the end.
func (c *Core) Done() bool { return c.done }

// Step handles whole frames at the time now and returns what to send to the
// host, valid until the next Step. An error means that the process must end.
func (c *Core) Step(now time.Time, in []byte) (out []byte, err error) {
	if err := c.StepTo(now, in, nil); err != nil {
		return nil, err
	}
	return c.out, nil
}

// StepTo is Step with the output handed to emit, in pieces when it is large
// (a batch times its fan-out can exceed any buffer). The pieces are valid during
// the call only. An error of emit is returned as it is.
func (c *Core) StepTo(now time.Time, in []byte, emit func([]byte) error) error {
	if c.done {
		return &Error{Op: "step", Kind: KindClosed}
	}
	c.emit, c.out = emit, c.out[:0]
	err := c.step(now, in)
	if err == nil {
		err = c.emitFrom(1)
	}
	if err != nil {
		c.done = true
	}
	return err
}

func (c *Core) step(now time.Time, in []byte) error {
	if now.After(c.now) {
		c.now = now
	}
	c.expire()
	c.resumables.expire(c.now)
	c.turnEpoch()
	if err := c.expireGrants(); err != nil {
		return err
	}
	if err := c.expireList(); err != nil {
		return err
	}
	for len(in) > 0 && !c.done {
		f, rest, err := abi.Next(in)
		if err != nil && !resumable(err) {
			return &Error{Op: "frame", Kind: KindFraming, Err: err}
		}
		in = rest
		if err != nil {
			c.refuse(abi.NoConn, keyx.KindBadMessage)
			continue
		}
		if err := c.frame(&f); err != nil {
			return err
		}
	}
	if c.done {
		return nil
	}
	return c.finish()
}

func resumable(err error) bool {
	var e *abi.Error
	return errors.As(err, &e) && e.Resumable()
}

func (c *Core) frame(f *abi.Frame) error {
	if f.Type != abi.Data || f.Count == 0 { // no publication: it waits for those before
		if err := c.matchWaiting(); err != nil {
			return err
		}
	}
	switch f.Type {
	case abi.Open:
		return c.open(f.Conn, f.Body)
	case abi.Finish:
		return c.finishHandshake(f.Conn, f.Body)
	case abi.Data:
		return c.data(f)
	case abi.Close:
		return c.drop(f.Conn)
	case abi.Endorse:
		return c.endorse(f.Body)
	case abi.Staple:
		return c.staple(f.Body)
	case abi.TakeList:
		return c.takeList(f.Body)
	case abi.Tick:
		c.out = abi.AppendTock(c.out)
		return nil
	case abi.Shutdown:
		return c.shutdown()
	default: // a frame that only an enclave sends, reflected
		c.refuse(abi.NoConn, keyx.KindBadMessage)
		return nil
	}
}

// finish ends a Step: deliveries, acknowledgements, heartbeats, Handled.
func (c *Core) finish() error {
	if err := c.matchWaiting(); err != nil {
		return err
	}
	if err := c.sealDeliveries(); err != nil {
		return err
	}
	if err := c.sealAcks(); err != nil {
		return err
	}
	if !c.now.Before(c.nextBeat) {
		c.nextBeat = c.now.Add(c.limits.HeartbeatInterval)
		if err := c.beat(); err != nil {
			return err
		}
	}
	for _, h := range c.todo.handled {
		c.out = abi.AppendHandled(c.out, h.ref, h.count)
	}
	c.todo.handled = c.todo.handled[:0]
	return nil
}

// shutdown forgets the keys and says goodbye.
func (c *Core) shutdown() error {
	c.keys.erase()
	c.resumables.clear()
	c.out = abi.AppendBye(c.out)
	c.done = true
	return nil
}

// refuse tells the host that nothing is held for this connection, and why in a
// number.
func (c *Core) refuse(conn uint64, kind keyx.Kind) {
	c.out = abi.AppendRefuse(c.out, conn, uint16(kind))
}

// emitFrom hands the output on if there are at least n bytes of it.
func (c *Core) emitFrom(n int) error {
	if c.emit == nil || len(c.out) < n {
		return nil
	}
	err := c.emit(c.out)
	c.out = c.out[:0]
	return err
}

// stats is what the host is told. Nothing in it may tell whether two clients have
// the same filter; see abi.StoreStep for how far that goes.
func (c *Core) stats() abi.StatsBody {
	s := c.store.Stats()
	budget := uint64(s.Budget)
	out := abi.StatsBody{
		Subscriptions: uint64(s.Subscriptions), StoreBytes: min(inSteps(s.Bytes), budget),
		BudgetBytes: budget, Sessions: c.live,
		Handled: c.sums.handled, Matched: c.sums.matched, Refused: c.sums.refused,
	}
	m := &s.Memory
	out.Memory = abi.MemoryBody{
		Rows: inSteps(m.Rows), Records: inSteps(m.Records), Dictionaries: inSteps(m.Dictionaries), Owners: inSteps(m.Owners),
		Free: inSteps(m.Free), Outside: inSteps(s.Spilled),
	}
	if c.heap != nil {
		out.Memory.Heap = inSteps(c.heap())
	}
	if c.paging != nil {
		out.Faults, out.Evictions = c.paging()
	}
	return out
}

func inSteps(n int64) uint64 { return (uint64(n) + abi.StoreStep - 1) / abi.StoreStep * abi.StoreStep }

// kindOf is the kind of an error of keyx; anything else is a broken invariant.
func kindOf(err error) keyx.Kind {
	var e *keyx.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return keyx.KindInternal
}
