package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// Config says what a router serves and with which bounds.
type Config struct {
	// PacketConn is the socket to listen on; nil makes Serve open ListenAddr. Serve closes neither a PacketConn it was given
	// nor uses it after it returned.
	PacketConn net.PacketConn
	// ListenAddr is a UDP host:port, used when PacketConn is nil. Port 0 takes a free one; Addr tells which.
	ListenAddr string
	// Listener, if not nil, also takes TLS over TCP, for clients whose network lets no UDP through. Serve closes it.
	Listener net.Listener
	// Start starts an enclave and returns when its link is there; Serve waits for its Ready. Serve calls it once at the beginning, where a
	// failure ends Serve, and again whenever an enclave has ended, until its context ends.
	Start func(ctx context.Context) (Enclave, error)
	// Enclave, instead of Start, is the link of the only enclave there is; Serve closes it, and ends when it ends.
	Enclave io.ReadWriteCloser
	// ResetKey, when it is the same as in the router's life before, lets clients of that life know at once that it is over (stateless reset,
	// RFC 9000 section 10.3). Whoever knows it can end connections whose packets it sees. Nil: they find out by time-outs.
	ResetKey *[32]byte
	// Successor says that this router takes the place of one that served before at this address.
	Successor bool
	// Limits holds every bound; the zero value means DefaultLimits.
	Limits Limits
	// Metrics receives the router's collectors; nil keeps them private.
	Metrics *prometheus.Registry
	// Logger receives what an operator must know, never anything about a client; nil discards.
	Logger *slog.Logger
	// Tap, if not nil, sees every byte that the router receives, queues for the enclave or writes to a client. For tests: it
	// must not keep or change b.
	Tap func(point TapPoint, b []byte)
}

// TapPoint says where Config.Tap saw bytes.
type TapPoint uint8

const (
	// TapFromClient is what was read from a client's stream.
	TapFromClient TapPoint = iota + 1
	// TapToEnclave is what was queued for the link.
	TapToEnclave
	// TapFromEnclave is what was read from the link.
	TapFromEnclave
	// TapToClient is what a session's queue wrote to its stream.
	TapToClient
)

// Limits are the bounds of a router. All must be positive.
type Limits struct {
	// MaxHalfOpen bounds the key exchanges going on at once, QUIC handshakes included. Each costs the enclave two X-Wing
	// operations (about 0.2 ms), so the default is a quarter of a second of work.
	MaxHalfOpen int
	// MaxHalfOpenPerAddress bounds those of one IPv4 address or IPv6 /64. Above half of it new attempts from the address must
	// first prove that they receive there (QUIC Retry), so that forged packets cannot use up a victim's share.
	MaxHalfOpenPerAddress int
	// MaxSessions bounds sessions and key exchanges together: memory.
	MaxSessions int
	// MaxSessionsPerAddress bounds those of one IPv4 address or IPv6 /64.
	MaxSessionsPerAddress int
	// HandshakeTimeout bounds the time from the end of the QUIC handshake to the enclave's confirmation.
	HandshakeTimeout time.Duration
	// FrameTimeout bounds the time between the first and the last byte of a frame.
	FrameTimeout time.Duration
	// SlowConsumer is what happens to a session that does not read as fast as it is sent to.
	SlowConsumer Policy
	// QueueBytes bounds what waits for one session, with what is being written; a burst is dropped above it.
	QueueBytes int
	// QueueItems bounds the envelopes that wait for one session.
	QueueItems int
	// TotalQueueBytes bounds what waits for all sessions together, control blobs apart: towards it the longest queues drop first. It counts
	// the bytes of frames; the memory behind them is less than twice as much.
	TotalQueueBytes int
	// ControlReserve is what control blobs (acknowledgements, replies, heartbeats) may take above QueueBytes. A session that exceeds
	// also that is disconnected: a lost acknowledgement would only be repeated into the same full queue.
	ControlReserve int
	// LinkBytes bounds what waits for the link; above it, readers of clients wait.
	LinkBytes int
	// UnhandledItems bounds the publications of one session that the enclave has not handled yet: at most as many stand before anybody
	// else's, however many subscribers each of them has. Above it, the session's reader waits.
	UnhandledItems int
	// PayloadBytes bounds the payloads the enclave has not handled yet, each with an overhead of 128 bytes; above it, readers of clients wait.
	PayloadBytes int
	// PauseMax bounds how long one publication frame waits for queues above half of their bound.
	PauseMax time.Duration
	// HoldMax is the allowance of one session above half of its bound to make publishers wait. What it used comes back slowly: more
	// is not a burst but a slow consumer, which must not slow down others.
	HoldMax time.Duration
	// SlowMax bounds how long a queue that was above half of its bound may stay above a quarter of it: then the session is
	// ended, because a client that accepts a little of every chunk would keep its memory without end.
	SlowMax time.Duration
	// WriteTimeout bounds the time a client takes to accept one chunk (64 KiB, or one large payload).
	WriteTimeout time.Duration
	// DrainTimeout bounds the time that Serve takes, after the end of its context, to have everything handled and written that it has.
	DrainTimeout time.Duration
	// Linger bounds the time an ended session has to take its last frames.
	Linger time.Duration
	// PayloadGrace is how long payloads outlive their session: time for the enclave to handle what it was sent before.
	PayloadGrace time.Duration
	// TickInterval is the time between Tick frames to the enclave, which make its heartbeats due.
	TickInterval time.Duration
	// WatchInterval is the time between two looks at a silent enclave. An enclave that runs answers every Tick.
	WatchInterval time.Duration
	// StallLooks is how many looks in a row find an enclave silent and not even trying to run before it is given up. Together with
	// WatchInterval, and one interval more: below a second.
	StallLooks int
	// HangTimeout is how long an enclave may be silent although it works. A step over many publications with slow filters takes seconds.
	HangTimeout time.Duration
	// RestartMin and RestartMax bound the pause before an enclave is started again, which doubles with each failure in a row.
	RestartMin, RestartMax time.Duration
	// CrashLimit ends within CrashWindow open the circuit: no start for CircuitOpen, then one after the other, each of which opens it again
	// when it fails before CrashWindow has passed.
	CrashLimit               int
	CrashWindow, CircuitOpen time.Duration
	// HandshakesPerSecond and HandshakeBurst bound the key exchanges that begin: a token bucket. A key exchange costs the enclave 0.4 ms.
	HandshakesPerSecond, HandshakeBurst int
	// Settle is how long publications wait after an enclave was replaced, and SettleStart after a router was started in the place of
	// another, while commands pass: subscribers are told, or find out, and subscribe again. Without it publishers, who try at once, would
	// publish to nobody.
	Settle, SettleStart time.Duration
	// StartTimeout bounds the wait for the enclave's Ready.
	StartTimeout time.Duration
	// StopTimeout bounds the wait for the enclave's Bye.
	StopTimeout time.Duration
}

// Policy is what a full queue of a session leads to.
type Policy string

const (
	// BlockPublisher makes publishers wait a bounded time while a queue is above half of its bound (PauseMax, HoldMax), and ends a session
	// whose queue stays long (SlowMax). When the allowance is used up and the queue full, the oldest deliveries are dropped.
	BlockPublisher Policy = "block-publisher"
	// DropOldest drops the oldest deliveries that wait, so that a slow subscriber gets what is new; it is told how many are missing.
	DropOldest Policy = "drop-oldest"
	// Disconnect ends the session.
	Disconnect Policy = "disconnect"
)

// Policies are all of them.
func Policies() []Policy { return []Policy{BlockPublisher, DropOldest, Disconnect} }

// DefaultLimits suit one host with a few thousand sessions.
func DefaultLimits() Limits {
	return Limits{
		MaxHalfOpen:           1024,
		MaxHalfOpenPerAddress: 128,
		MaxSessions:           16384,
		MaxSessionsPerAddress: 2048,
		HandshakeTimeout:      10 * time.Second,
		FrameTimeout:          30 * time.Second,
		SlowConsumer:          DropOldest,
		UnhandledItems:        2048,
		QueueBytes:            64 << 20,
		QueueItems:            1 << 19,
		TotalQueueBytes:       512 << 20,
		ControlReserve:        256 << 10,
		LinkBytes:             4 << 20,
		PayloadBytes:          256 << 20,
		PauseMax:              200 * time.Millisecond,
		HoldMax:               2 * time.Second,
		SlowMax:               30 * time.Second,
		WriteTimeout:          10 * time.Second,
		DrainTimeout:          10 * time.Second,
		Linger:                time.Second,
		PayloadGrace:          10 * time.Second,
		TickInterval:          250 * time.Millisecond,
		WatchInterval:         200 * time.Millisecond,
		StallLooks:            3,
		HangTimeout:           time.Minute,
		RestartMin:            50 * time.Millisecond,
		RestartMax:            10 * time.Second,
		CrashLimit:            8,
		CrashWindow:           time.Minute,
		CircuitOpen:           30 * time.Second,
		HandshakesPerSecond:   1000,
		HandshakeBurst:        1024,
		Settle:                500 * time.Millisecond,
		SettleStart:           2 * time.Second,
		StartTimeout:          30 * time.Second,
		StopTimeout:           3 * time.Second,
	}
}

const (
	// quicHandshakeTimeout is quic-go's HandshakeIdleTimeout: a QUIC handshake that makes no progress ends after it.
	quicHandshakeTimeout = 5 * time.Second
	// maxIdleTimeout ends a session whose client is silent, keep-alives included.
	maxIdleTimeout = 30 * time.Second
	// keepAlivePeriod keeps NAT bindings of UDP (RFC 4787: at least 2 min, in practice 30 s) and idle sessions alive.
	keepAlivePeriod = 10 * time.Second
	// initialWindow is the first QUIC receive window: one frame of handshake size and some.
	initialWindow = 256 << 10
	// maxWindow is the largest QUIC receive window of a session: 1 Gbit/s at 32 ms round trip.
	maxWindow = 4 << 20
	// windowBudget bounds the sum of all windows above the initial one, which a client may fill while its reader waits.
	windowBudget = 1 << 30
	// maxBlob is the largest blob that fits into a Data frame of the link.
	maxBlob = abi.MaxFrame - 20
)

// normalize fills the defaults in and reports every fault.
func (c *Config) normalize() error {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	var faults []error
	switch {
	case c.Enclave == nil && c.Start == nil:
		faults = append(faults, errors.New("no enclave link"))
	case c.Enclave != nil && c.Start != nil:
		faults = append(faults, errors.New("both a link and a way to start an enclave"))
	case c.Enclave != nil:
		link := c.Enclave
		c.Start = func(context.Context) (Enclave, error) { return oneLife{link}, nil }
	}
	if c.PacketConn == nil && c.ListenAddr == "" {
		faults = append(faults, errors.New("nothing to listen on"))
	}
	return errors.Join(append(faults, c.Limits.faults()...)...)
}

// Validate lists everything that is wrong with the limits.
func (l *Limits) Validate() error { return errors.Join(l.faults()...) }

func (l *Limits) faults() []error {
	var faults []error
	for _, v := range []struct {
		name  string
		value int64
		least int64
	}{
		{"MaxHalfOpen", int64(l.MaxHalfOpen), 1},
		{"MaxHalfOpenPerAddress", int64(l.MaxHalfOpenPerAddress), 1},
		{"MaxSessions", int64(l.MaxSessions), 1},
		{"MaxSessionsPerAddress", int64(l.MaxSessionsPerAddress), 1},
		{"HandshakeTimeout", int64(l.HandshakeTimeout), 1},
		{"FrameTimeout", int64(l.FrameTimeout), 1},
		{"UnhandledItems", int64(l.UnhandledItems), 1},
		{"QueueBytes", int64(l.QueueBytes), 1},
		{"QueueItems", int64(l.QueueItems), 1},
		{"TotalQueueBytes", int64(l.TotalQueueBytes), 1},
		{"ControlReserve", int64(l.ControlReserve), wire.MaxHandshakeFrame},
		{"LinkBytes", int64(l.LinkBytes), 1},
		{"PayloadBytes", int64(l.PayloadBytes), 1},
		{"PauseMax", int64(l.PauseMax), 1},
		{"HoldMax", int64(l.HoldMax), 1},
		{"SlowMax", int64(l.SlowMax), 1},
		{"WriteTimeout", int64(l.WriteTimeout), 1},
		{"DrainTimeout", int64(l.DrainTimeout), 1},
		{"Linger", int64(l.Linger), 1},
		{"PayloadGrace", int64(l.PayloadGrace), 1},
		{"TickInterval", int64(l.TickInterval), 1},
		{"WatchInterval", int64(l.WatchInterval), 1},
		{"StallLooks", int64(l.StallLooks), 1},
		{"HangTimeout", int64(l.HangTimeout), 1},
		{"RestartMin", int64(l.RestartMin), 1},
		{"RestartMax", int64(l.RestartMax), 1},
		{"CrashLimit", int64(l.CrashLimit), 1},
		{"CrashWindow", int64(l.CrashWindow), 1},
		{"CircuitOpen", int64(l.CircuitOpen), 1},
		{"HandshakesPerSecond", int64(l.HandshakesPerSecond), 1},
		{"HandshakeBurst", int64(l.HandshakeBurst), 1},
		{"Settle", int64(l.Settle), 0},
		{"SettleStart", int64(l.SettleStart), 0},
		{"StartTimeout", int64(l.StartTimeout), 1},
		{"StopTimeout", int64(l.StopTimeout), 1},
	} {
		if v.value < v.least {
			faults = append(faults, fmt.Errorf("limit %s is %d, below %d", v.name, v.value, v.least))
		}
	}
	if !slices.Contains(Policies(), l.SlowConsumer) {
		faults = append(faults, fmt.Errorf("SlowConsumer is %q, none of %q", l.SlowConsumer, Policies()))
	}
	return faults
}
