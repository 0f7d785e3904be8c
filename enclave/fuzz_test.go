package enclave

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// hostile plays a host that does anything with what it has seen, next to two
// clients whose traffic it may also carry faithfully.
type hostile struct {
	*world
	clients []*client
	seen    [][]byte // messages and blobs that crossed, either way
	honest  *client  // never touched: must keep working
}

func newHostile(t testing.TB) *hostile {
	w := newWorld(t, withLimits(Limits{MaxSessions: 6, MaxHalfOpen: 3, MaxSubscriptions: 4, MaxRuns: 2, MaxSubjects: 2}))
	h := &hostile{world: w, honest: w.member("honest")}
	require.Equal(t, keyx.KindOK, h.honest.subscribe(1, "TRUE"))
	h.clients = []*client{w.member("alice"), w.member("bob")}
	_, msg1 := w.initiate(grantFor("carol"))
	h.seen = [][]byte{msg1, nil, {1}}
	return h
}

// pick interprets a byte as a choice.
func pick[T any](list []T, b byte) T { return list[int(b)%len(list)] }

// conn is a connection that exists, existed, or never did.
func (h *hostile) conn(b byte) uint64 {
	if c := uint64(b) % 12; c != h.honest.conn {
		return c
	}
	return abi.NoConn
}

// frame makes one frame of an operation and three parameters.
func (h *hostile) frame(op, a, b, c byte) []byte {
	cl := pick(h.clients, a)
	switch op % 10 {
	case 0:
		return abi.AppendOpen(nil, h.conn(a), pick(h.seen, b))
	case 1:
		return abi.AppendFinish(nil, h.conn(a), pick(h.seen, b))
	case 2:
		return abi.AppendData(nil, h.conn(a), uint64(b), uint16(c%4), pick(h.seen, b))
	case 3:
		return abi.AppendClose(nil, h.conn(a))
	case 4:
		return h.keep(cl.data([]byte{b, c, a}, int(c%3)))
	case 5:
		return h.keep(cl.subscribeFrame(uint32(b%6), pick([]string{"TRUE", "x > 3", "x = 1 AND x = 2"}, c)))
	case 6:
		return h.keep(cl.data(message.AppendUnsubscribe(nil, uint32(b%6), 0), 0))
	case 7:
		p := cl.publicationAt(uint64(b%4), uint64(c), "", event(h.t, "x", int(c)).AppendBinary(nil))
		return h.keep(cl.publishFrame(p))
	case 8:
		blob := append([]byte(nil), pick(h.seen, b)...)
		if len(blob) > 0 {
			blob[int(c)%len(blob)] ^= 1 << (a % 8)
		}
		return abi.AppendData(nil, cl.conn, 0, uint16(c%2), blob)
	default:
		return abi.AppendTick(nil)
	}
}

// keep remembers what crosses, and then and now loses it.
func (h *hostile) keep(f []byte) []byte {
	h.seen = append(h.seen, f[blobAt:])
	return f
}

// play makes a step of every few operations and checks the world after each.
func (h *hostile) play(script []byte) {
	const maxOps = 48 // longer ones find little more and take long
	script = script[:min(len(script), 4*maxOps)]
	var frames [][]byte
	for len(script) >= 4 {
		frames = append(frames, h.frame(script[0], script[1], script[2], script[3]))
		if script[0]&0x80 != 0 {
			h.now = h.now.Add(time.Duration(script[1]) * 20 * time.Millisecond)
			h.absorb(h.step(frames...))
			frames = nil
		}
		script = script[4:]
	}
	h.absorb(h.step(frames...))
}

func (h *hostile) absorb(out []abi.Frame) {
	for i := range out {
		switch out[i].Type {
		case abi.Handshake, abi.Deliver:
			h.seen = append(h.seen, out[i].Body)
		default:
		}
	}
	h.honest.take(out)
}

// survives shows that the untouched client and newcomers are served.
func (h *hostile) survives() {
	require.Equal(h.t, keyx.KindOK, h.honest.subscribe(2, "x = 77"))
	requireHonest(h)
	h.now = h.now.Add(time.Hour) // all half-open ones expire
	h.honest.take(h.step(abi.AppendTick(nil)))
	for n := range uint64(12) {
		if n != h.honest.conn {
			h.honest.take(h.step(abi.AppendClose(nil, n)))
		}
	}
	h.lastConn = 100
	require.Equal(h.t, keyx.KindOK, h.member("new").subscribe(1, "TRUE"))
	require.EqualValues(h.t, 2, h.core.live)
}

func requireHonest(h *hostile) {
	p := h.honest.publication("ok", "x", 77)
	g := h.honest.take(h.step(h.honest.publishFrame(p)))
	require.Len(h.t, g.acks, 1)
	require.Len(h.t, g.deliveries, 1)
	require.Equal(h.t, []uint32{1, 2}, g.deliveries[0].Subscriptions)
	g.deliveries[0].requireOpens(h.t, h.domain.Name, p)
}

// FuzzAbiSequence lets a host do anything that whole frames can say: the core
// never panics, never fails, keeps its bounds, and serves the others.
func FuzzAbiSequence(f *testing.F) {
	f.Add([]byte{0, 5, 0, 0, 129, 5, 1, 0, 2, 1, 1, 1, 135, 0, 1, 1})
	f.Add([]byte{133, 0, 1, 0, 133, 1, 1, 0, 135, 0, 1, 9, 135, 0, 1, 9, 131, 2, 0, 0, 8, 1, 4, 9})
	f.Add([]byte{5, 0, 0, 0, 5, 0, 1, 0, 5, 0, 2, 0, 5, 0, 3, 0, 5, 0, 4, 0, 6, 0, 4, 0, 6, 0, 0, 0, 134, 0, 9, 0})
	f.Add([]byte{128, 7, 0, 0, 128, 8, 0, 0, 128, 9, 0, 0, 128, 10, 0, 0, 128, 4, 0, 0, 137, 255, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		h := newHostile(t)
		h.play(script)
		h.survives()
	})
}

// FuzzStep gives the core bytes that need not be frames: an error is allowed,
// and final; a panic is not.
func FuzzStep(f *testing.F) {
	w := newWorld(f)
	alice := w.member("alice")
	_, msg1 := w.initiate(grantFor("bob"))
	for _, in := range [][]byte{
		abi.AppendOpen(nil, 9, msg1), alice.subscribeFrame(1, "TRUE"), abi.AppendTick(nil), abi.AppendShutdown(nil),
	} {
		f.Add(in)
		f.Add(append(abi.AppendClose(nil, 1), in...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		w := newWorld(t)
		w.member("alice")
		_, err := w.core.Step(w.now, in)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Kind != KindFraming) {
			t.Fatalf("%v", err)
		}
		if _, after := w.core.Step(w.now, nil); (after != nil) != w.core.Done() {
			t.Fatal("an error must be final")
		}
	})
}

// TestAgainstAModel compares deliveries with a plain model under random
// subscribing, unsubscribing, publishing, joining and leaving.
func TestAgainstAModel(t *testing.T) {
	filters := []string{"TRUE", "x > 3", "x > 3", "x = 5", "x < 2 AND x > 7", "EXISTS y"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		model := map[*client]map[uint32]string{}
		var list []*client
		for i := range rapid.IntRange(5, 30).Draw(rt, "steps") {
			op := rapid.IntRange(0, 9).Draw(rt, "op")
			if len(list) == 0 || op == 0 {
				c := w.member(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "subject"))
				c.run = uint64(i) // the generator's own would repeat nothing either
				list, model[c] = append(list, c), map[uint32]string{}
				continue
			}
			c := rapid.SampledFrom(list).Draw(rt, "client")
			id := rapid.Uint32Range(0, 3).Draw(rt, "id")
			_, has := model[c][id]
			switch {
			case op == 1:
				w.step(abi.AppendClose(nil, c.conn))
				delete(model, c)
				list = without(list, c)
			case op < 5 && has:
				require.Equal(t, keyx.KindOK, c.unsubscribe(id))
				delete(model[c], id)
			case op < 5:
				require.Equal(t, keyx.KindUnknownSubscription, c.unsubscribe(id))
			case op < 8 && !has:
				where := rapid.SampledFrom(filters).Draw(rt, "filter")
				require.Equal(t, keyx.KindOK, c.subscribe(id, where))
				model[c][id] = where
			default:
				x := rapid.IntRange(0, 9).Draw(rt, "x")
				p := c.publication("body", "x", x)
				out := w.step(c.publishFrame(p))
				for _, s := range list {
					s.requireMatched(out, p, model[s], x)
				}
			}
		}
	})
}

func without(list []*client, c *client) []*client {
	for i := range list {
		if list[i] == c {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

func (c *client) requireMatched(out []abi.Frame, p publication, subs map[uint32]string, x int) {
	t := c.w.t
	t.Helper()
	var want []uint32
	for id := range uint32(4) {
		e := event(t, "x", x)
		if where, ok := subs[id]; ok && mustParse(where).Match(&e) {
			want = append(want, id)
		}
	}
	g := c.take(out)
	if want == nil {
		require.Empty(t, g.deliveries)
		return
	}
	require.Len(t, g.deliveries, 1)
	require.Equal(t, want, g.deliveries[0].Subscriptions)
	g.deliveries[0].requireOpens(t, c.w.domain.Name, p)
}
