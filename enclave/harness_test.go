package enclave

import (
	"crypto/ed25519"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

const routerName = "r1"

// epoch is the time at which every world begins.
var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// rng is a reproducible source of "randomness".
func rng(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// machine is one simulated platform for all tests of the process.
var machine = sync.OnceValue(func() *sim.Platform {
	files, err := sim.Create(rng(200), epoch.Add(-time.Hour))
	if err != nil {
		panic(err)
	}
	p, err := sim.Load(files, sim.Config{Measurement: [32]byte{1}, Now: func() time.Time { return epoch }})
	if err != nil {
		panic(err)
	}
	return p
})

// world is a core with the host's and the authority's means.
type world struct {
	t         testing.TB
	core      *Core
	now       time.Time
	rand      *rand.ChaCha8
	authority keyx.Authority
	domain    keyx.Domain
	lastConn  uint64
	lastRef   uint64
	verified  uint64   // newest list that clients have verified
	sent      [][]byte // every output of the core
	statement []byte   // the newest one told, and not among the frames of step
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, now: epoch, rand: rng(7)}
	var err error
	w.authority, err = keyx.NewAuthority(w.rand)
	require.NoError(t, err)
	w.domain = keyx.Domain{Name: "test", Authorities: []keyx.AuthorityKey{w.authority.Public()}}
	cfg := Config{
		Domain: w.domain, Router: routerName, Platform: machine(), Rand: rng(8),
		Memory: matcher.NewHeapMemory(4<<20, 4<<20),
	}
	for _, f := range change {
		f(&cfg)
	}
	w.core, err = New(cfg)
	require.NoError(t, err)
	w.step() // the first heartbeat, to nobody
	return w
}

func withLimits(l Limits) func(*Config) { return func(c *Config) { c.Limits = l } }

func withArena(t testing.TB, budget int64) func(*Config) {
	a, err := epc.New(budget)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return func(c *Config) { c.Memory = a }
}

func (w *world) key() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	_, err := w.rand.Read(seed)
	require.NoError(w.t, err)
	return ed25519.NewKeyFromSeed(seed)
}

// step gives frames to the core and returns the answers in own memory.
func (w *world) step(frames ...[]byte) []abi.Frame {
	w.t.Helper()
	var in []byte
	for _, f := range frames {
		in = append(in, f...)
	}
	out, err := w.core.Step(w.now, in)
	require.NoError(w.t, err)
	out = append([]byte(nil), out...)
	w.sent = append(w.sent, out)
	w.invariants()
	var list []abi.Frame
	for _, f := range decode(w.t, out) {
		if f.Type == abi.Statement {
			w.statement = f.Body
			continue
		}
		list = append(list, f)
	}
	return list
}

func decode(t testing.TB, out []byte) []abi.Frame {
	t.Helper()
	var list []abi.Frame
	for len(out) > 0 {
		f, rest, err := abi.Next(out)
		require.NoError(t, err)
		require.False(t, f.Type.FromHost())
		list = append(list, f)
		out = rest
	}
	return list
}

// invariants must hold between steps, whatever the host did.
func (w *world) invariants() {
	c := w.core
	require.Zero(w.t, c.todo.bytes)
	require.Empty(w.t, c.todo.delivering)
	require.Empty(w.t, c.todo.acking)
	require.Empty(w.t, c.todo.waiting)
	require.Empty(w.t, c.todo.attrs)
	if c.done {
		return
	}
	subs, live, half := 0, 0, 0
	for slot, s := range c.sessions {
		if s == nil {
			continue
		}
		live++
		subs += s.subs.count
		require.EqualValues(w.t, slot, s.slot)
		require.Same(w.t, s, c.conns[s.conn].session)
		require.LessOrEqual(w.t, s.subs.count, s.maxSubs)
		require.LessOrEqual(w.t, len(s.subject.runs), s.subject.maxRuns)
	}
	for _, cn := range c.conns {
		require.NotEqual(w.t, cn.session == nil, cn.place == nil)
		if cn.place != nil {
			half++
		}
	}
	require.Equal(w.t, half, c.halfOpen.Len())
	require.LessOrEqual(w.t, half, c.limits.MaxHalfOpen)
	require.LessOrEqual(w.t, live, c.limits.MaxSessions)
	require.EqualValues(w.t, live, c.live)
	require.Equal(w.t, live+half, len(c.conns))
	require.Equal(w.t, len(c.sessions), live+len(c.free))
	require.Equal(w.t, subs, c.store.Stats().Subscriptions)
	require.LessOrEqual(w.t, c.subjects.idle.Len(), c.limits.MaxSubjects)
}

// grant is one for everything under a subject.
func grantFor(subject string) keyx.Grant {
	all := mustParse("TRUE")
	return keyx.Grant{Subject: subject, Publish: &all, Subscribe: &all, NotAfter: epoch.Add(24 * time.Hour)}
}

func mustParse(text string) filter.Filter {
	f, err := filter.Parse(text)
	if err != nil {
		panic(err)
	}
	return f
}

// initiatorConfig is that of a client with a new key.
func (w *world) initiatorConfig(g keyx.Grant, resume *keyx.Resumption) keyx.InitiatorConfig {
	w.t.Helper()
	key := w.key()
	g.Key, g.Domain = key.Public().(ed25519.PublicKey), w.domain.Name
	jws, err := keyx.SignGrant(g, w.authority)
	require.NoError(w.t, err)
	return keyx.InitiatorConfig{
		Domain: w.domain, Router: routerName, Policy: machine().Policy(), Grant: jws, Key: key, Rand: w.rand,
		Revocation: w.verified, Resume: resume,
	}
}

// initiate starts a client's side of a handshake.
func (w *world) initiate(g keyx.Grant) (*keyx.Initiator, []byte) {
	w.t.Helper()
	i, msg1, err := keyx.NewInitiator(w.initiatorConfig(g, nil))
	require.NoError(w.t, err)
	return i, msg1
}

func (w *world) newConn() uint64 {
	w.lastConn++
	return w.lastConn
}

// handshake goes as far as message 3 and returns it.
func (w *world) handshake(g keyx.Grant) (*keyx.Initiator, uint64, []byte) {
	w.t.Helper()
	i, msg1 := w.initiate(g)
	conn := w.newConn()
	out := w.step(abi.AppendOpen(nil, conn, msg1))
	require.Equal(w.t, abi.Handshake, out[0].Type, "refused: %v", keyx.Kind(out[0].Kind))
	require.EqualValues(w.t, abi.StageAnswer, out[0].Stage)
	msg3, err := i.Respond(out[0].Body, w.now)
	require.NoError(w.t, err)
	return i, conn, msg3
}

// connect opens a session.
func (w *world) connect(g keyx.Grant) *client {
	w.t.Helper()
	i, conn, msg3 := w.handshake(g)
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(w.t, abi.Handshake, out[0].Type, "refused: %v", keyx.Kind(out[0].Kind))
	require.EqualValues(w.t, abi.StageConfirm, out[0].Stage)
	keys, conf, err := i.Confirm(out[0].Body)
	require.NoError(w.t, err)
	c := &client{w: w, conn: conn, keys: keys, conf: conf, subject: g.Subject, run: w.rand.Uint64()}
	c.take(out)
	return c
}

func (w *world) member(subject string) *client { return w.connect(grantFor(subject)) }

// client is the honest other end of a session.
type client struct {
	w       *world
	conn    uint64
	keys    *keyx.Session
	conf    keyx.Confirmation
	subject string
	run     uint64
	counter uint64
	next    uint64 // delivery number expected next
	control uint64 // number of the control message expected next
}

// got is what the answers of one step held for one client.
type got struct {
	acks       []message.AckReader
	refusals   []message.Refusal
	deliveries []delivery
	replies    []message.Reply
	beats      []message.Heartbeat
	refused    keyx.Kind
	order      []message.Type
	lists      []uint64 // of the delivery blobs
}

type delivery struct {
	message.Envelope
	ref  uint64
	list uint64 // of its blob
}

// take opens everything in the frames that is for this client. Everything must
// authenticate, be in order and without gaps.
func (c *client) take(frames []abi.Frame) got {
	t := c.w.t
	t.Helper()
	var g got
	for i := range frames {
		f := &frames[i]
		if f.Conn != c.conn || f.Type != abi.Deliver && f.Type != abi.Refuse {
			continue
		}
		if f.Type == abi.Refuse && g.refused != keyx.KindOK {
			continue // the answer to what was on its way
		}
		if f.Type == abi.Refuse {
			g.refused = keyx.Kind(f.Kind)
			continue
		}
		count, chain := c.keys.In.Chain()
		msg, skipped, err := c.keys.In.Open(nil, f.Body)
		require.NoError(t, err)
		require.Zero(t, skipped)
		typ, err := message.TypeOf(msg)
		require.NoError(t, err)
		require.Equal(t, typ == message.TypeDeliver, f.Count > 0)
		g.order = append(g.order, typ)
		c.message(&g, f, typ, msg)
		if typ == message.TypeHeartbeat {
			b := g.beats[len(g.beats)-1]
			require.Equal(t, count, b.EvCount)
			require.Equal(t, chain, b.EvChain)
			require.Equal(t, c.next, b.Delivered)
			require.Equal(t, c.control, b.Control)
		}
	}
	return g
}

func (c *client) message(g *got, f *abi.Frame, typ message.Type, msg []byte) {
	t := c.w.t
	t.Helper()
	switch typ {
	case message.TypeAck:
		r, err := message.ReadAck(msg)
		require.NoError(t, err)
		require.Equal(t, c.control, r.Control)
		c.control++
		g.acks = append(g.acks, r)
		for {
			var x message.Refusal
			more, err := r.Next(&x)
			require.NoError(t, err)
			if !more {
				return
			}
			g.refusals = append(g.refusals, x)
		}
	case message.TypeDeliver:
		c.envelopes(g, f, msg)
	case message.TypeReply:
		r, err := message.DecodeReply(msg)
		require.NoError(t, err)
		require.Equal(t, c.control, r.Control)
		c.control++
		r.Control = 0 // what is compared is the answer
		g.replies = append(g.replies, r)
	case message.TypeHeartbeat:
		h, err := message.DecodeHeartbeat(msg)
		require.NoError(t, err)
		g.beats = append(g.beats, h)
	default:
		require.Fail(t, "the enclave sent a client's message")
	}
}

func (c *client) envelopes(g *got, f *abi.Frame, msg []byte) {
	t := c.w.t
	r, err := message.ReadDeliver(msg)
	require.NoError(t, err)
	require.EqualValues(t, f.Count, r.Count())
	require.Equal(t, c.next, r.First)
	g.lists = append(g.lists, r.Revocation)
	for i := 0; ; i++ {
		var e message.Envelope
		more, err := r.Next(&e)
		require.NoError(t, err)
		if !more {
			break
		}
		g.deliveries = append(g.deliveries, delivery{e, f.RefAt(i), r.Revocation})
	}
	c.next += uint64(r.Count())
}

// seal makes the client's next blob.
func (c *client) seal(msg []byte) []byte {
	blob, err := c.keys.Out.Seal(nil, msg)
	require.NoError(c.w.t, err)
	return blob
}

// data wraps a message into a frame with count payloads.
func (c *client) data(msg []byte, count int) []byte {
	ref := c.w.lastRef
	c.w.lastRef += uint64(count)
	return abi.AppendData(nil, c.conn, ref, uint16(count), c.seal(msg))
}

func subscribeMsg(t testing.TB, id uint32, where string) []byte {
	msg, err := message.AppendSubscribe(nil, message.Subscribe{ID: id, Filter: mustParse(where).AppendBinary(nil)})
	require.NoError(t, err)
	return msg
}

func (c *client) subscribeFrame(id uint32, where string) []byte {
	return c.data(subscribeMsg(c.w.t, id, where), 0)
}

// subscribe returns the kind of the reply.
func (c *client) subscribe(id uint32, where string) keyx.Kind {
	c.w.t.Helper()
	g := c.take(c.w.step(c.subscribeFrame(id, where)))
	require.Equal(c.w.t, []message.Reply{{Op: message.TypeSubscribe, ID: id, Kind: g.replies[0].Kind}}, g.replies)
	return g.replies[0].Kind
}

func (c *client) unsubscribeFrame(id uint32) []byte {
	return c.data(message.AppendUnsubscribe(nil, id, 0), 0)
}

func (c *client) unsubscribe(id uint32) keyx.Kind {
	c.w.t.Helper()
	g := c.take(c.w.step(c.unsubscribeFrame(id)))
	require.Equal(c.w.t, []message.Reply{{Op: message.TypeUnsubscribe, ID: id, Kind: g.replies[0].Kind}}, g.replies)
	return g.replies[0].Kind
}
