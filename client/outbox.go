package client

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

const (
	// MaxPayloadBytes bounds one payload: together with its attributes, which stand
	// in the header and in the sealed payload, it fits into one frame.
	MaxPayloadBytes = wire.MaxFrame - 2*filter.MaxEventBytes - 1024
	// maxBatchBytes is where a batch ends even when more headers would fit: large
	// enough to amortise seals and writes, small enough to keep the pipe flowing.
	maxBatchBytes = 256 << 10
	// maxFlushBatches bounds the batches of one write.
	maxFlushBatches = 4
	// maxSpareBatches bounds the batches kept for use again.
	maxSpareBatches = 16
	// minPublish is a publish message of one header without attributes.
	minPublish = 1 + 2 + message.HeaderBytes
)

// batch is what one sealed blob of publications is made of. It is kept until all
// of them are acknowledged, so that the very same bytes could be sent again.
type batch struct {
	flight  *flight
	content *keyx.ContentKeys // of the session it was sealed in; nil once the keys stand in the headers
	plain   []byte            // the publish message
	body    []byte            // sealed payloads, one behind the other
	ends    []int             // where each of them ends
}

func (b *batch) bytes() int { return len(b.plain) + len(b.body) }

// payloads appends the sealed payloads to dst.
func (b *batch) payloads(dst [][]byte) [][]byte {
	start := 0
	for _, end := range b.ends {
		dst = append(dst, b.body[start:end])
		start = end
	}
	return dst
}

// outbox is the way out: publications sealed by their callers and commands, both
// taken by the one writer goroutine of the session at hand, and what is not
// acknowledged yet, which outlives sessions.
type outbox struct {
	id         keyx.PublicationID // all but Counter and GKEpoch, which publish sets
	maxUnacked int
	maxBytes   int
	unpadded   bool                     // Config.NoPadding
	signer     *signer                  // nil: publications are not signed
	group      func() (EpochKey, error) // gives the key to publish under; nil: without a group
	sealed     atomic.Uint64            // newest counter whose blob is complete in this session

	mu         sync.Mutex
	work       sync.Cond         // signalled for the writer
	session    *session          // nil between sessions: nothing is sealed then
	content    *keyx.ContentKeys // of session, for the message being filled
	messages   uint64            // publish messages of session, with those waiting
	maxHeaders int               // of one message, as the enclave said
	maxPlain   int               // bytes of one message, as the enclave said
	attrs      []byte            // scratch
	next       uint64            // next publication counter
	handled    uint64            // acknowledgement watermark
	bytes      int               // of batches
	batches    []*batch          // in counter order: those the writer took, then those waiting
	taken      int               // how many of batches the writer took
	spare      []*batch
	commands   [][]byte      // plaintext commands waiting
	space      chan struct{} // closed at the next acknowledgement; nil if nobody waits
	closing    bool          // no more publications and commands
	bye        bool          // the writer shall take leave
	err        *Error        // the Client has ended
	stats      Stats
}

func newOutbox(id keyx.PublicationID, cfg *Config) *outbox {
	o := &outbox{id: id, next: 1, maxUnacked: cfg.MaxUnacked, maxBytes: cfg.MaxUnackedBytes, unpadded: cfg.NoPadding, signer: newSigner(cfg)}
	o.work.L = &o.mu
	return o
}

// limit is the smaller of our bound and the enclave's; 0 means that it has none.
func limit(ours int, theirs uint32) int {
	if theirs == 0 {
		return ours
	}
	return min(ours, int(theirs))
}

// usable tells why nothing more may be sent, or nil. With mu held.
func (o *outbox) usable(op string) error {
	switch {
	case o.err != nil:
		return o.err.as(op)
	case o.closing:
		return &Error{Op: op, Kind: KindClosed, Err: ErrClosed}
	}
	return nil
}

// publish seals one publication into the batch being filled.
func (o *outbox) publish(ctx context.Context, event filter.Event, payload []byte) (Receipt, error) {
	if ctx.Err() != nil {
		return Receipt{}, canceled(ctx, opPublish)
	}
	if len(payload) > MaxPayloadBytes {
		return Receipt{}, &Error{Op: opPublish, Kind: KindTooLarge}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.awaitSpace(ctx, len(payload)); err != nil {
		return Receipt{}, err
	}
	epoch, gk, err := o.epoch()
	if err != nil {
		return Receipt{}, err
	}
	o.attrs = event.AppendBinary(o.attrs[:0])
	padding := o.pad(len(o.attrs))
	if n := len(o.attrs); n > message.MaxAttrsBytes || n+padding+minPublish > o.maxPlain {
		return Receipt{}, &Error{Op: opPublish, Kind: KindTooLarge}
	}
	signed := o.signer.len()
	if len(payload)+signed > MaxPayloadBytes {
		return Receipt{}, &Error{Op: opPublish, Kind: KindTooLarge}
	}
	inner := o.payloadPadding(len(o.attrs) + len(payload) + signed)
	// Sealing happens inside the lock: a counter is used up exactly when its header
	// stands in a batch, so headers are in order and no key seals two messages.
	if o.next >= keyx.MaxCounter {
		return Receipt{}, &Error{Op: opPublish, Kind: Kind(keyx.KindKeyExhausted)}
	}
	b, err := o.filling(message.HeaderBytes+len(o.attrs)+padding, keyx.PayloadOverhead+len(o.attrs)+len(payload)+signed+inner)
	if err != nil {
		return Receipt{}, &Error{Op: opPublish, Kind: kindOf(err), Err: err}
	}
	var ck [32]byte
	var salt [16]byte
	if err := b.content.Derive(o.id.Run, o.next, &ck, &salt); err != nil {
		panic("client: a counter within its limits was refused: " + err.Error())
	}
	before, start := b.bytes(), len(b.body)
	o.id.Counter, o.id.GKEpoch = o.next, epoch
	key := keyx.PayloadKey(&ck, gk, &o.id)
	body := keyx.SealSignedPayload(b.body, &key, &salt, o.attrs, payload, o.signer.sign(&o.id, o.attrs, payload), inner)
	plain, err := message.AppendHeader(b.plain, &message.Header{
		Run: o.id.Run, Counter: o.next, GKEpoch: epoch, Commitment: keyx.Commit(&o.id, &key, body[start:]), Attrs: o.attrs, Padding: padding,
	})
	if err != nil {
		panic("client: a header within its limits was refused: " + err.Error())
	}
	b.plain, b.body, b.ends = plain, body, append(b.ends, len(body))
	b.flight.n++
	o.next++
	o.bytes += b.bytes() - before
	o.stats.Published++
	o.work.Signal()
	return Receipt{run: o.id.Run, counter: o.id.Counter, flight: b.flight}, nil
}

// epoch asks for the group key of the moment: epoch 0 and no key without a group.
func (o *outbox) epoch() (uint64, *[32]byte, error) {
	if o.group == nil {
		return 0, nil, nil
	}
	k, err := o.group()
	if err != nil {
		return 0, nil, err
	}
	return k.Epoch, &k.Key, nil
}

// pad is how many bytes fill n.
func (o *outbox) pad(n int) int {
	if o.unpadded {
		return 0
	}
	return keyx.Padding(n)
}

// payloadPadding fills attributes and body of n bytes together. The largest bucket
// ends where the largest payload does, which a frame has to hold.
func (o *outbox) payloadPadding(n int) int {
	return min(o.pad(n), max(0, MaxPayloadBytes+filter.MaxEventBytes-n))
}

// awaitSpace returns once there is a session and one more publication of n bytes
// fits into the window. With mu held, which it gives up while it waits.
func (o *outbox) awaitSpace(ctx context.Context, n int) error {
	for {
		if err := o.usable(opPublish); err != nil {
			return err
		}
		unacked := o.next - 1 - o.handled
		if fits := unacked == 0 || unacked < uint64(o.maxUnacked) && o.bytes+n <= o.maxBytes; fits && o.session != nil {
			return nil
		}
		if err := o.awaitAck(ctx); err != nil {
			return canceled(ctx, opPublish)
		}
	}
}

// awaitAck waits until an acknowledgement, a new session or the end. With mu held, which it gives
// up while it waits.
func (o *outbox) awaitAck(ctx context.Context) error {
	if o.space == nil {
		o.space = make(chan struct{})
	}
	space := o.space
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-space:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release lets everybody look again who waits for space. With mu held.
func (o *outbox) release() {
	if o.space != nil {
		close(o.space)
		o.space = nil
	}
}

// filling is the batch to put a header and a sealed payload of these lengths into.
// With mu held.
func (o *outbox) filling(header, payload int) (*batch, error) {
	if n := len(o.batches); n > o.taken {
		b := o.batches[n-1]
		if b.content == o.content && len(b.ends) < o.maxHeaders && len(b.plain)+header <= o.maxPlain && b.bytes()+header+payload <= maxBatchBytes {
			return b, nil
		}
	}
	content, err := o.content.ForMessage(o.messages)
	if err != nil {
		return nil, err
	}
	o.content = content
	o.messages++
	b := &batch{}
	if n := len(o.spare); n > 0 {
		b, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	b.flight, b.content = &flight{first: o.next, done: make(chan struct{})}, o.content
	b.plain, b.body, b.ends = message.BeginPublish(b.plain[:0]), b.body[:0], b.ends[:0]
	o.bytes += b.bytes()
	o.batches = append(o.batches, b)
	return b, nil
}

// command queues one plaintext command of session s, whose end is the end of it.
func (o *outbox) command(s *session, msg []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session == s {
		o.commands = append(o.commands, msg)
		o.work.Signal()
	}
}

// check tells why no command may be given, or nil.
func (o *outbox) check(op string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.usable(op)
}

// flush is what the writer takes at once.
type flush struct {
	commands [][]byte
	batches  []*batch
	bye      bool
}

// take waits for work of session s and moves it into f; false at the end of it.
// Commands go first: whoever waits for one waits for a round trip.
func (o *outbox) take(s *session, f *flush) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.session == s && o.err == nil && !o.bye && len(o.commands) == 0 && o.taken == len(o.batches) {
		o.work.Wait()
	}
	if o.session != s || o.err != nil {
		return false
	}
	f.commands, o.commands = o.commands, f.commands[:0]
	n := min(len(o.batches), o.taken+maxFlushBatches)
	f.batches = append(f.batches[:0], o.batches[o.taken:n]...)
	o.taken = n
	f.bye = o.bye && n == len(o.batches)
	return true
}
