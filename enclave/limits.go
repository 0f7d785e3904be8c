package enclave

import (
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

const (
	// DefaultMaxSessions bounds the sessions at once; each costs some kilobytes
	// of protected memory for keys and tables.
	DefaultMaxSessions = 16384
	// DefaultMaxHalfOpen bounds handshakes between message 1 and message 3, each
	// of them a public-key operation spent on somebody unknown and half a
	// kilobyte kept.
	DefaultMaxHalfOpen = 1024
	// DefaultHandshakeTimeout is how long one of them is kept: three round trips
	// over the worst link with retransmissions.
	DefaultHandshakeTimeout = 10 * time.Second
	// DefaultMaxSubscriptions bounds the subscriptions of one session: all may
	// match one event, and an envelope counts them in 16 bits.
	DefaultMaxSubscriptions = message.MaxMatches
	// DefaultMaxRuns bounds the publisher processes remembered per subject: far
	// more than run at once, for those in use are never forgotten.
	DefaultMaxRuns = 64
	// DefaultMaxSubjects bounds the subjects whose runs are remembered while
	// they have no session.
	DefaultMaxSubjects = 65536
	// DefaultMaxResumable bounds the sessions, live and ended, that can be resumed; each
	// costs a grant and a secret.
	DefaultMaxResumable = 16384
	// DefaultHeartbeatInterval is the time after which a subscriber notices
	// that its tail was cut off, and a trickle of traffic even for many sessions.
	DefaultHeartbeatInterval = time.Second

	// DefaultEpochLength is how long one key serves: what was sent under it in message 3 (grants)
	// can be read by whoever takes the key from the memory until then.
	DefaultEpochLength = 24 * time.Hour

	// maxDeliverBytes ends a blob of envelopes: a fraction of a frame, so that
	// one subscriber's burst is handed on in pieces that fit any reader.
	maxDeliverBytes = 64 << 10
	// maxPendingBytes bounds all envelopes gathered and not yet sealed, however
	// large batch times fan-out is.
	maxPendingBytes = 8 << 20
	// maxOutBytes is the output after which it is handed on within a Step.
	maxOutBytes = 1 << 20
	// maxSpareBatches bounds the buffers kept for reuse between Steps: 256 of
	// at most maxDeliverBytes and a few are 16 MiB.
	maxSpareBatches = 256
	// maxRefusalsKept bounds the refused publications remembered per run, 4 KiB: as
	// many as a client that publishes one by one or in small batches can have had
	// refused without hearing of it. What it forgets is answered Replayed.
	maxRefusalsKept = 256
)

// Limits are the bounds of a Core. A zero field means its default.
type Limits struct {
	MaxSessions       int
	MaxHalfOpen       int
	HandshakeTimeout  time.Duration
	MaxSubscriptions  int // per session
	MaxRuns           int // per subject
	MaxSubjects       int // remembered while idle
	HeartbeatInterval time.Duration
	MaxResumable      int
	EpochLength       time.Duration // of a key epoch; at least HandshakeTimeout
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxSessions, DefaultMaxSessions)
	orDefault(&l.MaxHalfOpen, DefaultMaxHalfOpen)
	orDefault(&l.HandshakeTimeout, DefaultHandshakeTimeout)
	orDefault(&l.MaxSubscriptions, DefaultMaxSubscriptions)
	orDefault(&l.MaxRuns, DefaultMaxRuns)
	orDefault(&l.MaxSubjects, DefaultMaxSubjects)
	orDefault(&l.HeartbeatInterval, DefaultHeartbeatInterval)
	orDefault(&l.MaxResumable, DefaultMaxResumable)
	orDefault(&l.EpochLength, max(DefaultEpochLength, l.HandshakeTimeout))
	return l
}

func (l Limits) valid() bool {
	return l.MaxSessions > 0 && l.MaxHalfOpen > 0 && l.HandshakeTimeout > 0 &&
		l.MaxSubscriptions > 0 && l.MaxSubscriptions <= message.MaxMatches &&
		l.MaxRuns > 0 && l.MaxSubjects > 0 && l.MaxResumable > 0 && l.HeartbeatInterval >= time.Millisecond && l.EpochLength >= l.HandshakeTimeout
}

// quota is the smaller of a grant's quota (zero: none) and the core's limit.
func quota(granted uint32, limit int) int {
	if granted == 0 || int64(granted) > int64(limit) {
		return limit
	}
	return int(granted)
}

// announced are the limits told to a client in message 4.
func (c *Core) announced(g *keyx.Grant) keyx.Limits {
	return keyx.Limits{
		MaxSubscriptions: uint32(quota(g.Quotas.MaxSubscriptions, c.limits.MaxSubscriptions)),
		MaxRuns:          uint32(quota(g.Quotas.MaxRuns, c.limits.MaxRuns)),
		MaxHeaders:       message.MaxHeaders,
		MaxBlobBytes:     keyx.MaxPlaintext,
		HeartbeatMillis:  uint32(c.limits.HeartbeatInterval.Milliseconds()),
	}
}
