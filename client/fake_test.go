package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

// fake is a router and an enclave in one: real handshake, real seals, real codecs,
// and a linear matcher; its hooks are the attacks.
type fake struct {
	tb     testing.TB
	domain keyx.Domain
	author keyx.Authority
	plat   *sim.Platform
	id     *keyx.Identity
	cfg    Config

	sessions chan *fakeSession // each after its confirmation
	serving  sync.WaitGroup
	secrets  sync.Map // of sessions that may be resumed, by id
	whole    atomic.Int64
	resumed  atomic.Int64

	// Hooks, set before dialing.
	refuseAt  wire.Type // answer this frame with refuseAs
	refuseAs  wire.Kind
	swallow   wire.Type                                               // never answer this frame
	heartbeat uint32                                                  // milliseconds announced
	judge     func(h *message.Header) keyx.Kind                       // refuse publications
	tamper    func(e *message.Envelope, payload []byte) (sent []byte) // between enclave and client
	silent    bool                                                    // handle publications, acknowledge nothing
	ignoreBye bool
	list      atomic.Uint64                        // number of the enclave's revocation list
	closed    func() bool                          // hang up on new connections
	denied    func(m *message.Subscribe) keyx.Kind // refuse subscriptions
}

func newFake(tb testing.TB, adjust ...func(*keyx.Grant)) *fake {
	author, err := keyx.NewAuthority(rand.Reader)
	require.NoError(tb, err)
	f := &fake{
		tb: tb, author: author,
		domain:   keyx.Domain{Name: "test.example", Authorities: []keyx.AuthorityKey{author.Public()}},
		sessions: make(chan *fakeSession, 16),
	}
	files, err := sim.Create(rand.Reader, time.Now())
	require.NoError(tb, err)
	f.plat, err = sim.Load(files, sim.Config{Measurement: sha256.Sum256([]byte("enclave"))})
	require.NoError(tb, err)
	f.boot()
	clientPublic, clientKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	all, err := filter.Parse("TRUE")
	require.NoError(tb, err)
	grant := keyx.Grant{
		Subject: "alice", Key: clientPublic, Domain: f.domain.Name, Publish: &all, Subscribe: &all,
		NotAfter: time.Now().Add(time.Hour), Serial: 1,
	}
	for _, a := range adjust {
		a(&grant)
	}
	signed, err := keyx.SignGrant(grant, author)
	require.NoError(tb, err)
	f.cfg = Config{
		Addr: "fake", Domain: f.domain, Policy: f.plat.Policy(), Router: "fake", Grant: signed, Key: clientKey,
		Transport: f.pipe, NoReconnect: true,
	}
	tb.Cleanup(f.serving.Wait)
	return f
}

// boot makes a new enclave instance.
func (f *fake) boot() {
	id, err := keyx.NewIdentity(keyx.IdentityConfig{
		Domain: f.domain, Router: "fake", Epoch: 1, Rand: rand.Reader, Quote: f.plat.Quote,
	})
	require.NoError(f.tb, err)
	f.id = id
	f.secrets.Clear() // die with the instance
}

// resume answers message 5, if it can.
func (f *fake) resume(conn io.Writer, q *keyx.Resume) (*fakeSession, error) {
	v, ok := f.secrets.LoadAndDelete(q.ID())
	if !ok {
		return nil, nil
	}
	old := v.(*fakeSession)
	if _, err := old.session.Resumption.Verify(q); err != nil {
		return nil, refuseBy(conn, err)
	}
	msg6, session, err := old.session.Resumption.Accept(q, 8, f.limits(), f.list.Load(), rand.Reader)
	if err != nil {
		return nil, err
	}
	f.resumed.Add(1)
	conn.Write(wire.AppendConfirm(nil, msg6))
	return f.session(conn, old.grant, session), nil
}

func (f *fake) limits() keyx.Limits {
	return keyx.Limits{MaxHeaders: message.MaxHeaders, MaxBlobBytes: keyx.MaxPlaintext, HeartbeatMillis: f.heartbeat}
}

func (f *fake) session(conn io.Writer, grant keyx.Grant, keys *keyx.Session) *fakeSession {
	s := &fakeSession{f: f, conn: conn.(io.ReadWriteCloser), grant: grant, session: keys, subs: map[uint32]filter.Filter{}, ended: make(chan struct{})}
	f.secrets.Store(keys.Resumption.ID(), s)
	return s
}

// pipe is Config.Transport: a synchronous pipe to a new session.
func (f *fake) pipe(context.Context, string) (io.ReadWriteCloser, error) {
	if f.closed != nil && f.closed() {
		return nil, errFake
	}
	ours, theirs := net.Pipe()
	f.serving.Go(func() { f.serve(theirs) })
	return ours, nil
}

type fakeSession struct {
	f     *fake
	conn  io.ReadWriteCloser
	grant keyx.Grant

	mu        sync.Mutex
	session   *keyx.Session
	subs      map[uint32]filter.Filter
	delivered uint64
	handled   uint64
	controls  uint64
	out       []byte
	withheld  int // blobs sealed and not sent
	messages  uint64
	ended     chan struct{}
}

var errFake = errors.New("fake: the session ends")

func (f *fake) serve(conn io.ReadWriteCloser) {
	defer conn.Close()
	frames := newFrameReader(conn)
	s, err := f.accept(conn, frames)
	if err != nil {
		return
	}
	defer close(s.ended)
	f.sessions <- s
	for {
		frame, err := frames.next(wire.MaxFrame)
		if err != nil || s.frame(&frame) != nil {
			return
		}
	}
}

// expect reads one handshake frame and applies the hooks.
func (f *fake) expect(conn io.Writer, frames *frameReader, want wire.Type) ([]byte, error) {
	frame, err := frames.next(wire.MaxRequestFrame)
	if err != nil {
		return nil, err
	}
	switch want {
	case f.refuseAt:
		conn.Write(wire.AppendRefuse(nil, f.refuseAs))
		return nil, errFake
	case f.swallow:
		frames.next(wire.MaxRequestFrame) // until the client gives up
		return nil, errFake
	case frame.Type:
		return frame.Msg, nil
	default:
		return nil, errFake
	}
}

func (f *fake) accept(conn io.ReadWriteCloser, frames *frameReader) (*fakeSession, error) {
	msg1, err := f.expect(conn, frames, wire.TypeHello)
	if err != nil {
		return nil, err
	}
	if q, ok := keyx.ParseResume(msg1); ok {
		if s, err := f.resume(conn, q); s != nil || err != nil {
			return s, err
		}
		msg1 = q.Hello()
	}
	f.whole.Add(1)
	r, msg2, err := f.id.Accept(msg1)
	if err != nil {
		return nil, refuseBy(conn, err)
	}
	conn.Write(wire.AppendServerHello(nil, msg2))
	msg3, err := f.expect(conn, frames, wire.TypeFinish)
	if err != nil {
		return nil, err
	}
	grant, err := r.Finish(msg3, time.Now())
	if err != nil {
		return nil, refuseBy(conn, err)
	}
	msg4, session, err := r.Confirm(7, f.limits(), f.list.Load())
	if err != nil {
		return nil, err
	}
	conn.Write(wire.AppendConfirm(nil, msg4))
	return f.session(conn, grant, session), nil
}

func refuseBy(conn io.Writer, err error) error {
	e, ok := errors.AsType[*keyx.Error](err)
	if ok {
		conn.Write(wire.AppendRefuse(nil, wire.Kind(e.Kind)))
	}
	return err
}

func (s *fakeSession) frame(f *wire.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Type == wire.TypeBye && s.f.ignoreBye:
		return nil
	case f.Type != wire.TypeData:
		return errFake
	}
	msg, skipped, err := s.session.In.Open(f.Blob[8:8], f.Blob)
	if err != nil || skipped != 0 {
		return errFake
	}
	s.out = s.out[:0]
	t, err := message.TypeOf(msg)
	if err != nil {
		return err
	}
	switch t {
	case message.TypePublish:
		err = s.publish(msg, f)
	case message.TypeSubscribe:
		err = s.subscribe(msg)
	case message.TypeUnsubscribe:
		var id uint32
		if id, _, err = message.DecodeUnsubscribe(msg); err == nil {
			delete(s.subs, id)
			s.seal(message.AppendReply(nil, message.Reply{Control: s.control(), Op: message.TypeUnsubscribe, ID: id}), nil)
		}
	case message.TypeSettings, message.TypePing: // the tests send heartbeats themselves
	default:
		return errFake
	}
	if err != nil {
		return err
	}
	_, err = s.conn.Write(s.out)
	return err
}

// seal appends one blob to what will be written.
func (s *fakeSession) seal(msg []byte, payloads [][]byte) {
	blob, err := s.session.Out.Seal(nil, msg)
	require.NoError(s.f.tb, err)
	if s.withheld > 0 {
		s.withheld--
		return
	}
	s.out = wire.AppendDelivery(s.out, blob, payloads)
}

func (s *fakeSession) subscribe(msg []byte) error {
	m, err := message.DecodeSubscribe(msg)
	if err != nil {
		return err
	}
	where, err := filter.Decode(m.Filter)
	if err != nil {
		return err
	}
	kind := keyx.KindOK
	if s.f.denied != nil {
		kind = s.f.denied(&m)
	}
	if kind != keyx.KindOK {
		// no subscription
	} else if s.grant.Subscribe == nil || !s.grant.Subscribe.Covers(where) {
		kind = keyx.KindNotCovered
	} else {
		s.subs[m.ID] = where
	}
	s.seal(message.AppendReply(nil, message.Reply{Control: s.control(), Op: message.TypeSubscribe, ID: m.ID, Kind: kind}), nil)
	return nil
}

func (s *fakeSession) publish(msg []byte, f *wire.Frame) error {
	r, err := message.ReadPublish(msg)
	if err != nil || r.Count() != f.Count {
		return errFake
	}
	if s.session.Content, err = s.session.Content.ForMessage(s.messages); err != nil {
		return err
	}
	s.messages++
	deliver := message.BeginDeliver(nil, s.f.list.Load(), s.delivered)
	var (
		h        message.Header
		refused  []message.Refusal
		payloads [][]byte
		run      uint64
	)
	all := f.Payloads()
	for {
		more, err := r.Next(&h)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		payload, _ := all.Next()
		run, s.handled = h.Run, h.Counter
		if s.f.judge != nil {
			if k := s.f.judge(&h); k != keyx.KindOK {
				refused = append(refused, message.Refusal{Counter: h.Counter, Kind: k})
				continue
			}
		}
		e, err := s.envelope(&h)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if s.f.tamper != nil {
			payload = s.f.tamper(e, payload)
		}
		if deliver, err = message.AppendEnvelope(deliver, e); err != nil {
			return err
		}
		payloads = append(payloads, payload)
		s.delivered++
	}
	if len(payloads) > 0 {
		if err := message.FinishDeliver(deliver, len(payloads)); err != nil {
			return err
		}
		s.seal(deliver, payloads)
	}
	if s.f.silent {
		return nil
	}
	return s.ack(run, refused)
}

func (s *fakeSession) envelope(h *message.Header) (*message.Envelope, error) {
	event, err := filter.DecodeEvent(h.Attrs)
	if err != nil {
		return nil, err
	}
	e := &message.Envelope{Subject: []byte(s.grant.Subject), Run: h.Run, Counter: h.Counter, Commitment: h.Commitment, GKEpoch: h.GKEpoch}
	e.CK = h.CK
	salt := h.Salt
	if !h.Explicit {
		if err := s.session.Content.Derive(h.Run, h.Counter, &e.CK, &salt); err != nil {
			return nil, err
		}
	}
	e.AttributeHash = keyx.AttributeHash(&salt, h.Attrs)
	for id := range uint32(100) {
		if where, ok := s.subs[id]; ok && where.Match(&event) {
			e.Subscriptions = append(e.Subscriptions, id)
		}
	}
	if len(e.Subscriptions) == 0 {
		return nil, nil
	}
	return e, nil
}

func (s *fakeSession) ack(run uint64, refused []message.Refusal) error {
	m := message.Ack{Control: s.control(), Run: run, Handled: s.handled}
	m.CmdCount, m.CmdChain = s.session.In.Chain()
	msg, err := message.AppendAck(nil, &m, refused)
	if err != nil {
		return err
	}
	s.seal(msg, nil)
	return nil
}

// control is the number of the next acknowledgement or reply.
func (s *fakeSession) control() uint64 {
	s.controls++
	return s.controls - 1
}

// beat is a heartbeat as the enclave would send it now.
func (s *fakeSession) beat() *message.Heartbeat {
	h := &message.Heartbeat{Revocation: s.f.list.Load(), Delivered: s.delivered, Control: s.controls}
	h.CmdCount, h.CmdChain = s.session.In.Chain()
	h.EvCount, h.EvChain = s.session.Out.Chain()
	return h
}

// do runs step with the session's lock, as the enclave, and sends what it sealed.
func (s *fakeSession) do(step func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = s.out[:0]
	step()
	s.conn.Write(s.out) // the client may have gone
}

// sendBeat sends a heartbeat, changed if change is not nil.
func (s *fakeSession) sendBeat(change func(*message.Heartbeat)) {
	s.do(func() {
		h := s.beat()
		if change != nil {
			change(h)
		}
		s.seal(message.AppendHeartbeat(nil, h), nil)
	})
}
