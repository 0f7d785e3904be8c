package enclave

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher"
)

const (
	raceSeeds      = 1000
	raceSeedsShort = 60
	raceSteps      = 60
	raceMembers    = 4
	// raceParts share the seeds and run at the same time.
	raceParts = 4
	// raceMemory is more than the filters of four members need.
	raceMemory = 1 << 17
)

// race is a world in which an authority revokes and grants again, members connect, subscribe, publish and
// learn of lists by a path of their own, all at any time, and the host hands any list that ever was to the
// enclave, when it likes, or none, and starts the enclave again.
type race struct {
	*world
	r       *rand.Rand
	lists   []keyx.RevocationList // by number - 1
	signed  [][]byte
	members [raceMembers]*raceMember
	sent    map[[32]byte]racePublication // by commitment
	sums    raceSums
}

type raceMember struct {
	name     string
	grant    keyx.Grant
	verified uint64 // newest list it has verified itself
	session  *client
	used     keyx.Grant // of the session
	last     *client    // the session before, which may be resumed
}

// racePublication is what a publisher knew when it first sent it.
type racePublication struct {
	by       *keyx.Grant
	verified uint64
}

// raceSums show that the runs were about something.
type raceSums struct{ delivered, stale, revoked, staleBlobs, resumed, epochs int }

func newRace(t testing.TB, seed uint64) *race {
	w := &world{t: t, now: epoch, rand: rng(7)}
	w.authority = keyx.Ed25519Authority(w.key()) // half of the time of a handshake would be its second signature
	w.domain = keyx.Domain{Name: "test", Authorities: []keyx.AuthorityKey{w.authority.Public()}}
	x := &race{world: w, r: rand.New(rand.NewPCG(seed, 1)), sent: map[[32]byte]racePublication{}}
	x.restart()
	for i := range x.members {
		name := fmt.Sprintf("m%d", i)
		x.members[i] = &raceMember{name: name, grant: grantFor(name)}
	}
	return x
}

func (x *race) restart() {
	var err error
	x.core, err = New(Config{
		Domain: x.domain, Router: routerName, Platform: machine(), Rand: x.rand,
		Memory: matcher.NewHeapMemory(raceMemory, raceMemory), Limits: Limits{EpochLength: time.Minute},
	})
	require.NoError(x.t, err)
	for _, m := range x.members {
		if m != nil {
			m.session = nil // and asks to resume it, which the new instance does not know
		}
	}
}

// newest is the number of the authority's newest list.
func (x *race) newest() uint64 { return uint64(len(x.lists)) }

func (x *race) revoke(subject string) {
	var last *keyx.RevocationList
	if n := len(x.lists); n > 0 {
		last = &x.lists[n-1]
	}
	l, jws := x.list(last, subject)
	x.lists, x.signed = append(x.lists, l), append(x.signed, jws)
}

// revokedBy says whether a list up to a number takes the grant back.
func (x *race) revokedBy(g *keyx.Grant, number uint64) bool {
	return number > 0 && x.lists[number-1].Revokes(g)
}

func (x *race) connect(m *raceMember) {
	x.verified = m.verified
	if m.last != nil {
		x.resume(m)
		return
	}
	m.used = m.grant
	i, conn, msg3 := x.handshake(m.grant)
	frames := x.step(abi.AppendFinish(nil, conn, msg3))
	for _, f := range frames {
		if f.Type == abi.Refuse && f.Conn == conn {
			require.Contains(x.t, []keyx.Kind{keyx.KindStale, keyx.KindGrantRevoked}, keyx.Kind(f.Kind))
			x.sums.revoked++
			return
		}
		if f.Type != abi.Handshake || f.Conn != conn {
			continue
		}
		keys, conf, err := i.Confirm(f.Body)
		if err != nil { // the enclave's list is older than the member's: it leaves
			x.step(abi.AppendClose(nil, conn))
			return
		}
		m.session = &client{w: x.world, conn: conn, keys: keys, conf: conf, subject: m.name, run: x.rand.Uint64()}
		m.last = m.session
	}
	x.read(frames)
}

// resume tries to go on from the last session, with its grant; what does not succeed is a whole handshake the next time.
func (x *race) resume(m *raceMember) {
	i, m5 := x.asksToResume(m.last.keys.Resumption, m.used)
	m.last = nil
	conn := x.newConn()
	frames := x.step(abi.AppendOpen(nil, conn, m5))
	for _, f := range frames {
		if f.Conn != conn || f.Type != abi.Handshake {
			continue
		}
		if f.Stage == abi.StageConfirm {
			keys, conf, err := i.Resume(f.Body)
			require.NoError(x.t, err)
			m.session = &client{w: x.world, conn: conn, keys: keys, conf: conf, subject: m.name, run: x.rand.Uint64()}
			m.last = m.session
			x.sums.resumed++
			break
		}
		x.read(frames)
		x.read(x.step(abi.AppendClose(nil, conn)))
		return
	}
	x.read(frames)
}

// read has every member read what is for it, and judges what it accepts.
func (x *race) read(frames []abi.Frame) {
	for _, m := range x.members {
		if m.session == nil {
			continue
		}
		g := m.session.take(frames)
		for _, refused := range g.refusals {
			require.Equal(x.t, keyx.KindStale, refused.Kind)
			x.sums.stale++
		}
		for i := range g.deliveries {
			x.judge(m, &g.deliveries[i])
		}
		if g.refused != keyx.KindOK {
			require.Contains(x.t, []keyx.Kind{keyx.KindGrantRevoked}, g.refused)
			x.sums.revoked++
			m.session = nil
		}
	}
}

// judge is the guarantee, for every key that a member was given whatever the host did.
func (x *race) judge(m *raceMember, d *delivery) {
	p, ok := x.sent[d.Commitment]
	require.True(x.t, ok)
	require.False(x.t, x.revokedBy(&m.used, p.verified),
		"%s was revoked in a list that the publisher had verified before it sent", m.name)
	x.sums.delivered++
	if d.list < m.verified { // the rule for subscribers: nothing of a blob under an older list than one's own
		x.sums.staleBlobs++
		return
	}
	require.False(x.t, x.revokedBy(p.by, m.verified), "accepted of a publisher that is revoked in a verified list")
}

// publication is a frame of a member, which names the newest list that it has verified.
func (x *race) publication(m *raceMember) []byte {
	p := m.session.publication("secret", "x", x.r.IntN(3))
	p.header.Revocation = m.verified
	grant := m.used
	x.sent[p.header.Commitment] = racePublication{&grant, m.verified}
	return m.session.publishFrame(p)
}

// some is a list that the host may choose: any that was ever signed.
func (x *race) some() []byte { return abi.AppendTakeList(nil, x.signed[x.r.IntN(len(x.signed))]) }

func (x *race) act() {
	m := x.members[x.r.IntN(raceMembers)]
	switch n := x.r.IntN(100); {
	case n < 6:
		x.revoke(m.name)
	case n < 10:
		m.grant.Revocation = x.newest() // a new grant
		m.session = nil
		if x.r.IntN(2) == 0 {
			m.last = nil // else it goes on under the old one
		}
	case n < 22 && x.newest() > 0:
		m.verified = max(m.verified, 1+x.r.Uint64N(x.newest()))
	case n < 34 && x.newest() > 0:
		x.read(x.step(x.some()))
	case n < 36:
		x.restart()
	case n < 38 && m.session != nil:
		x.step(abi.AppendClose(nil, m.session.conn))
		m.session = nil
	case n < 40:
		x.now = x.now.Add(time.Minute)
		epoch := x.core.keys.now.Epoch()
		x.read(x.step(abi.AppendTick(nil)))
		x.sums.epochs += int(x.core.keys.now.Epoch() - epoch)
	case m.session == nil:
		x.connect(m)
	case n < 60:
		x.read(x.step(m.session.subscribeFrame(x.r.Uint32(), "x < 2")))
	default:
		x.burst(m)
	}
}

// burst puts publications, and lists between them, into one step.
func (x *race) burst(m *raceMember) {
	var frames [][]byte
	for range 1 + x.r.IntN(4) {
		if x.newest() > 0 && x.r.IntN(3) == 0 {
			frames = append(frames, x.some())
		}
		if other := x.members[x.r.IntN(raceMembers)]; other.session != nil {
			frames = append(frames, x.publication(other))
		}
	}
	frames = append(frames, x.publication(m))
	x.read(x.step(frames...))
}

// A subscriber revoked in list v gets no content key of a publication whose publisher had verified a list of
// at least v before first sending it, and accepts nothing of a publisher that is revoked in a list which it
// has verified itself: over revocations, grants made again, publications, subscriptions, lists withheld and
// reordered, sessions resumed, key epochs, connections lost and enclaves restarted, in any order.
func TestRevocationRace(t *testing.T) {
	seeds := uint64(raceSeeds)
	if testing.Short() {
		seeds = raceSeedsShort
	}
	parts := make([]raceSums, raceParts)
	t.Run("seeds", func(t *testing.T) {
		for part := range uint64(raceParts) {
			t.Run(fmt.Sprint("from ", part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < seeds; seed += raceParts {
					parts[part].add(racing(t, seed))
				}
			})
		}
	})
	var all raceSums
	for _, sums := range parts {
		all.add(sums)
	}
	t.Logf("%d seeds: %+v", seeds, all)
	for _, n := range []int{all.delivered, all.stale, all.revoked, all.staleBlobs, all.resumed, all.epochs} {
		require.Greater(t, n, int(seeds)/20, "%+v", all)
	}
}

// racing plays one seed.
func racing(t *testing.T, seed uint64) raceSums {
	t.Helper()
	x := newRace(t, seed)
	for range raceSteps {
		x.act()
	}
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
	return x.sums
}

func (s *raceSums) add(o raceSums) {
	s.delivered += o.delivered
	s.stale += o.stale
	s.revoked += o.revoked
	s.staleBlobs += o.staleBlobs
	s.resumed += o.resumed
	s.epochs += o.epochs
}
