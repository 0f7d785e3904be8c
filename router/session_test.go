package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

func TestEchoAndBye(t *testing.T) {
	w := start(t)
	c := w.session()
	large := bytes.Repeat([]byte("x"), 3*shareBytes)
	c.publish("headers", []byte("one"), nil, large)
	f := c.next()
	require.Equal(t, wire.TypeDelivery, f.Type)
	require.Equal(t, "headers", string(f.Blob))
	require.True(t, slices.EqualFunc([][]byte{[]byte("one"), nil, large}, payloadsOf(&f), bytes.Equal))
	f = c.next()
	require.Equal(t, "ack", string(f.Blob))
	require.Zero(t, f.Count)

	c.send(wire.AppendBye(nil))
	require.Equal(t, wire.Kind(0), c.refusal())
	w.eventually("Close to the enclave", func() bool { return w.e.count(abi.Close) == 1 })
	w.eventually("no session left", func() bool { return w.sessions() == 0 })
	n, size := w.life.payloads.counts()
	require.Zero(t, n)
	require.Zero(t, size)
	w.eventually("place given back", func() bool { h, s := w.r.admission.counts(); return h+s == 0 })
	require.NoError(t, w.stop())
}

// TestOrder: what the enclave sends a session arrives complete and in order, whatever sizes and interleavings.
func TestOrder(t *testing.T) {
	const each = 300
	w := start(t, on(func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type != abi.Data {
			return false
		}
		// Every session gets everything.
		var out []byte
		for _, conn := range e.connections() {
			out = abi.AppendDeliver(out, conn, refs(f), f.Body)
			out = abi.AppendDeliver(out, conn, nil, append([]byte("control after "), f.Body...))
		}
		e.send(abi.AppendHandled(out, f.Ref, f.Count))
		return true
	}))
	a, b := w.session(), w.session()
	go func() {
		for i := range each {
			p := make([]byte, (i*i*37)%(2*shareBytes))
			_, _ = a.stream.Write(wire.AppendData(nil, fmt.Append(nil, i), [][]byte{p, fmt.Append(nil, i)}))
		}
	}()
	for _, c := range []*client{b, a} {
		for i := range each {
			f := c.next()
			require.Equal(t, fmt.Sprint(i), string(f.Blob))
			got := payloadsOf(&f)
			require.Len(t, got[0], (i*i*37)%(2*shareBytes))
			require.Equal(t, fmt.Sprint(i), string(got[1]))
			f = c.next()
			require.Equal(t, "control after "+fmt.Sprint(i), string(f.Blob))
		}
	}
}

// TestPayloadsBeyondOneFrame: payloads of one delivery that exceed a frame travel before it.
func TestPayloadsBeyondOneFrame(t *testing.T) {
	var all []uint64
	w := start(t, on(func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type != abi.Data {
			return false
		}
		all = append(all, refs(f)...)
		if len(all) == 6 {
			e.send(abi.AppendDeliver(nil, f.Conn, all, []byte("six")))
		}
		return true
	}))
	c := w.session()
	var want [][]byte
	for i := range 6 {
		p := bytes.Repeat([]byte{byte(i)}, 500<<10)
		want = append(want, p)
		c.publish("h", p)
	}
	var got [][]byte
	for {
		f := c.next()
		got = append(got, payloadsOf(&f)...)
		if f.Type == wire.TypeDelivery {
			require.Equal(t, "six", string(f.Blob))
			break
		}
		require.Equal(t, wire.TypePayloads, f.Type)
	}
	require.True(t, slices.EqualFunc(want, got, bytes.Equal))
}

func TestFramesOutOfPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		confirmed bool
		frame     []byte
		kind      wire.Kind
	}{
		"data before the key exchange":    {false, wire.AppendData(nil, []byte("b"), nil), wire.BadFrame},
		"finish before message 2":         {false, wire.AppendFinish(nil, []byte("m3")), wire.BadFrame},
		"unknown version":                 {false, []byte{0, 0, 0, 3, 9, 1, 1}, wire.BadFrame},
		"a frame of the router":           {false, wire.AppendServerHello(nil, []byte("m2")), wire.BadFrame},
		"too large before confirmation":   {false, binary.BigEndian.AppendUint32(nil, wire.MaxRequestFrame+1), wire.FrameTooLarge},
		"second hello":                    {true, wire.AppendHello(nil, []byte("m1")), wire.BadFrame},
		"second finish":                   {true, wire.AppendFinish(nil, []byte("m3")), wire.BadFrame},
		"too large":                       {true, binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1), wire.FrameTooLarge},
		"blob that no link frame carries": {true, wire.AppendData(nil, make([]byte, maxBlob+1), nil), wire.FrameTooLarge},
		"delivery from a client":          {true, wire.AppendDelivery(nil, []byte("b"), nil), wire.BadFrame},
		"trailing bytes in a frame":       {true, []byte{0, 0, 0, 3, 1, 4, 0}, wire.BadFrame},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			var c *client
			if tc.confirmed {
				c = w.session()
			} else {
				c = w.mustConnect()
			}
			c.send(tc.frame)
			require.Equal(t, tc.kind, c.refusal())
			require.Equal(t, 1.0, w.refused(tc.kind))
			w.eventually("no session left", func() bool { return w.sessions() == 0 })
			if !tc.confirmed {
				require.Zero(t, w.e.count(abi.Open), "nothing reaches the enclave")
			}
		})
	}
}

func TestRefusePassesThrough(t *testing.T) {
	w := start(t, on(func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type == abi.Finish {
			e.send(abi.AppendRefuse(nil, f.Conn, 105))
			return true
		}
		return false
	}))
	c := w.mustConnect()
	c.send(wire.AppendHello(nil, []byte("m1")))
	require.Equal(t, wire.TypeServerHello, c.next().Type)
	c.send(wire.AppendFinish(nil, []byte("m3")))
	require.Equal(t, wire.Kind(105), c.refusal())
	w.eventually("no session left", func() bool { return w.sessions() == 0 })
	require.NoError(t, w.stop())
	require.Zero(t, w.e.count(abi.Close), "the enclave holds nothing for it")
}

// TestRefuseComesLast: a refusal does not overtake what was queued before.
func TestRefuseComesLast(t *testing.T) {
	w := start(t, on(func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type != abi.Data {
			return false
		}
		e.send(abi.AppendRefuse(abi.AppendDeliver(nil, f.Conn, nil, []byte("reply")), f.Conn, 118))
		return true
	}))
	c := w.session()
	c.publish("b")
	f := c.next()
	require.Equal(t, "reply", string(f.Blob))
	f = c.next()
	require.Equal(t, wire.TypeRefuse, f.Type)
	require.Equal(t, wire.Kind(118), f.Kind)
	_, err := c.read()
	require.ErrorIs(t, err, io.EOF)
}

func TestConnNumbersNeverRepeat(t *testing.T) {
	w := start(t)
	for range 5 {
		c := w.session()
		_ = c.conn.CloseWithError(0, "")
	}
	w.eventually("all closed", func() bool { return w.e.count(abi.Close) == 5 })
	require.Equal(t, []uint64{1, 2, 3, 4, 5}, w.e.opened)
}

func TestClientGoneFreesItsPayloads(t *testing.T) {
	w := start(t, limits(func(l *Limits) { l.TickInterval, l.PayloadGrace = 10*time.Millisecond, 50*time.Millisecond }),
		on(func(_ *fakeEnclave, f *abi.Frame) bool { return f.Type == abi.Data }))
	c := w.session()
	c.publish("b", []byte("never handled"), make([]byte, 2*shareBytes))
	w.eventually("payloads stored", func() bool { n, _ := w.life.payloads.counts(); return n == 2 })
	_ = c.conn.CloseWithError(0, "")
	w.eventually("payloads swept", func() bool { n, size := w.life.payloads.counts(); return n == 0 && size == 0 })
}

func TestEnclaveGone(t *testing.T) {
	w := start(t)
	c := w.session()
	half := w.mustConnect()
	half.send(wire.AppendHello(nil, []byte("m1")))
	require.Equal(t, wire.TypeServerHello, half.next().Type)
	_ = w.e.conn.Close()
	require.Equal(t, wire.Unavailable, c.refusal())
	require.Equal(t, wire.Unavailable, half.refusal())
	err := <-w.stopped
	w.stopped <- err
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "link", e.Op)
	require.Equal(t, wire.Unavailable, e.Kind)
}

func TestShutdownTellsEverybody(t *testing.T) {
	w := start(t)
	c := w.session()
	require.NoError(t, w.stop())
	require.Equal(t, wire.ShuttingDown, c.refusal())
	require.Equal(t, 1, w.e.count(abi.Shutdown))
}

func TestOnlyOneStream(t *testing.T) {
	w := start(t)
	c := w.session()
	_, err := c.conn.OpenStream()
	require.Error(t, err, "a second bidirectional stream")
	_, err = c.conn.OpenUniStream()
	require.Error(t, err, "a unidirectional stream")
	c.publish("b", []byte("still works"))
	require.Equal(t, wire.TypeDelivery, c.next().Type)
}

// TestLyingEnclave: nothing on the link makes the router fail or a session suffer, short of broken framing.
func TestLyingEnclave(t *testing.T) {
	w := start(t)
	c := w.session()
	conn := w.e.lastConn()
	for reason, frame := range map[string][]byte{
		"unexpected_type":   abi.AppendOpen(nil, conn, []byte("m1")),
		"handshake_order":   abi.AppendHandshake(nil, conn, abi.StageAnswer, []byte("again")),
		"handshake_size":    abi.AppendHandshake(nil, conn, abi.StageConfirm, nil),
		"bad_delivery":      abi.AppendDeliver(nil, conn, nil, nil),
		"unknown_reference": abi.AppendDeliver(nil, conn, []uint64{1 << 60}, []byte("b")),
		"bad_frame":         {0, 0, 0, 3, abi.Version, byte(abi.Bye), 0},
	} {
		before := w.fault(reason)
		w.e.send(frame)
		w.eventually(reason, func() bool { return w.fault(reason) == before+1 })
	}
	before := w.fault("unknown_reference")
	w.e.send(abi.AppendHandled(nil, ^uint64(0)-5000, 1024))
	w.eventually("references that never were", func() bool { return w.fault("unknown_reference") == before+1 })
	dropped := w.dropped(dropEnded)
	w.e.send(abi.AppendDeliver(nil, 999, nil, []byte("b")))
	w.e.send(abi.AppendHandshake(nil, 999, abi.StageAnswer, []byte("b")))
	w.e.send(abi.AppendRefuse(nil, abi.NoConn, 118))
	w.eventually("unknown connections", func() bool { return w.dropped(dropEnded) == dropped+3 })
	w.e.send(abi.AppendReady(nil, [16]byte{}, [abi.MeasurementLen]byte{}, true))
	c.publish("b", []byte("unharmed"))
	f := c.next()
	require.Equal(t, "unharmed", string(payloadsOf(&f)[0]))
}

func TestLinkFramingBroken(t *testing.T) {
	w := start(t)
	c := w.session()
	w.e.send([]byte{0xff, 0xff, 0xff, 0xff})
	require.Equal(t, wire.Unavailable, c.refusal())
	err := <-w.stopped
	w.stopped <- err
	require.ErrorIs(t, err, errLinkFrame)
}

func TestConfigListsAllFaults(t *testing.T) {
	_, err := New(Config{Limits: Limits{MaxSessions: 1}})
	var e *Error
	require.ErrorAs(t, err, &e)
	for _, want := range []string{"no enclave link", "nothing to listen on", "MaxHalfOpen", "StopTimeout"} {
		require.ErrorContains(t, err, want)
	}
}

func TestTapSeesAllDirections(t *testing.T) {
	seen := make(chan TapPoint, 1000)
	w := start(t, func(c *Config, _ *fakeEnclave) {
		c.Tap = func(p TapPoint, b []byte) {
			if bytes.Contains(b, []byte("canary")) {
				seen <- p
			}
		}
	})
	c := w.session()
	c.publish("canary", []byte("p"))
	c.next()
	got := map[TapPoint]bool{}
	for len(got) < 4 {
		select {
		case p := <-seen:
			got[p] = true
		case <-time.After(patience):
			require.Fail(t, "missing", "%v", got)
		}
	}
}

// TestLargestFrame: the limit itself is allowed, in both directions, and the session goes on with small frames.
func TestLargestFrame(t *testing.T) {
	w := start(t)
	c := w.session()
	payload := bytes.Repeat([]byte("y"), wire.MaxFrame-wire.DataSize(1, 1, 0))
	for range 2 {
		c.publish("b", payload)
		f := c.next()
		require.Equal(t, wire.TypeDelivery, f.Type)
		require.Equal(t, len(payload), f.PayloadBytes())
		require.Equal(t, "ack", string(must(c.next()).Blob))
		c.publish("b", []byte("small"))
		require.Equal(t, 5, must(c.next()).PayloadBytes())
		require.Equal(t, "ack", string(must(c.next()).Blob))
	}
}

// FuzzLink: whatever arrives on the link, the dispatcher takes whole frames only, and frees and counts what it should.
func FuzzLink(f *testing.F) {
	f.Add(abi.AppendReady(nil, [16]byte{}, [abi.MeasurementLen]byte{}, true))
	f.Add(abi.AppendHandled(abi.AppendDeliver(nil, 7, []uint64{0, 1, 2}, []byte("b")), 0, 3))
	f.Add(abi.AppendRefuse(abi.AppendHandshake(nil, 7, 2, []byte("m2")), 7, 100))
	f.Add(abi.AppendStats(abi.AppendHandled(nil, 1, 1024), &abi.StatsBody{}))
	f.Add(abi.AppendBye(abi.AppendTick(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := New(Config{ListenAddr: "127.0.0.1:0", Enclave: nopLink{}})
		require.NoError(t, err)
		data, _, err := wire.Next(wire.AppendData(nil, []byte("b"), [][]byte{{1}, make([]byte, shareBytes), {3}}), wire.MaxFrame)
		require.NoError(t, err)
		l := &life{payloads: newPayloads(1<<20, 1<<20, 0), greeted: make(chan struct{})}
		require.True(t, l.payloads.tryReserve(&owner{}, data.Count, cost(&data)))
		l.payloads.store(&owner{}, &data)
		d := &dispatcher{r: r, life: l}
		used, err := d.frames(b)
		require.LessOrEqual(t, used, len(b))
		if err == nil {
			_, _, err = abi.Next(b[used:])
			require.ErrorIs(t, err, abi.ErrShort)
		}
		live, size := l.payloads.counts()
		require.True(t, live >= 0 && live <= 3 && size >= 0 && size <= cost(&data))
	})
}

type nopLink struct{}

func (nopLink) Read([]byte) (int, error)    { return 0, io.EOF }
func (nopLink) Write(b []byte) (int, error) { return len(b), nil }
func (nopLink) Close() error                { return nil }
