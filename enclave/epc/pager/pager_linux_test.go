package pager

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The test binary is the pager process too, when this is set: pages and policy.
const asPager = "PAGER_TEST_SERVE"

// What opTest asks a test's pager for.
const (
	flipBit = iota
	remember
	putBack
	swapTwo
)

func TestMain(m *testing.M) {
	if cfg := os.Getenv(asPager); cfg != "" {
		var c Config
		if _, err := fmt.Sscanf(cfg, "%d %d", &c.Pages, &c.Policy); err != nil {
			os.Exit(3)
		}
		if err := serve(os.NewFile(3, "enclave"), c, tamper()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(4)
		}
		os.Exit(0)
	}
	if after := os.Getenv(asStuck); after != "" {
		os.Exit(stuck(after))
	}
	if attack := os.Getenv(asEnclave); attack != "" {
		os.Exit(enclave(attack))
	}
	os.Exit(m.Run())
}

// tamper changes what a pager keeps.
func tamper() func(*pages, message) {
	var old []byte
	return func(p *pages, m message) {
		page, other := uint32(m.n[1]), uint32(m.n[2])
		switch m.n[0] {
		case flipBit:
			p.slot(page)[100] ^= 8
		case remember:
			old = bytes.Clone(p.slot(page))
		case putBack:
			copy(p.slot(page), old)
		case swapTwo:
			a, b := p.slot(page), p.slot(other)
			for i := range a {
				a[i], b[i] = b[i], a[i]
			}
		}
	}
}

func start(t *testing.T, pages int, policy Policy, size int) *started {
	if err := Supported(); err != nil {
		t.Skip("no userfaultfd here: ", err)
	}
	t.Setenv(asPager, fmt.Sprintf("%d %d", pages, policy))
	r, err := startChild("/proc/self/exe", nil, size)
	require.NoError(t, err)
	require.NoError(t, os.Unsetenv(asPager))
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func counters(t *testing.T, r *started) Counters {
	c, err := r.Counters()
	require.NoError(t, err)
	return c
}

// resident is how many pages of the memory there are.
func (r *Region) resident(t *testing.T) int {
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(r.memory, &st))
	return int(st.Blocks) * 512 / PageBytes
}

// fifo counts what a pager must count on a trace.
type fifo struct {
	limit              int
	order              []int
	in, was            map[int]bool
	faults, loads, out uint64
}

func (f *fifo) touch(page int) {
	if f.in[page] {
		return
	}
	f.faults++
	if f.was[page] {
		f.loads++
	}
	if len(f.order) == f.limit {
		delete(f.in, f.order[0])
		f.order = f.order[1:]
		f.out++
	}
	f.in[page], f.was[page] = true, true
	f.order = append(f.order, page)
}

// TestPages: under both policies every page holds what was written last, never more are
// resident than may be, and FIFO's counters are a model's.
func TestPages(t *testing.T) {
	const n, limit = 256, 64
	for _, policy := range []Policy{FIFO, CLOCK} {
		t.Run(policy.String(), func(t *testing.T) {
			r := start(t, limit, policy, n*PageBytes)
			b, model := r.Bytes(), &fifo{limit: limit, in: map[int]bool{}, was: map[int]bool{}}
			shadow := make([]uint64, n)
			rnd := rand.New(rand.NewPCG(1, uint64(policy)))
			for i := range 6000 {
				page := rnd.IntN(n)
				if i < n {
					page = i
				}
				at := b[page*PageBytes+8*(page%500):]
				model.touch(page)
				require.Equal(t, shadow[page], binary.LittleEndian.Uint64(at), "page %d", page)
				if rnd.IntN(2) == 0 {
					shadow[page] = rnd.Uint64()
					binary.LittleEndian.PutUint64(at, shadow[page])
				}
				if i%500 == 0 {
					require.LessOrEqual(t, r.resident(t), limit)
				}
			}
			c := counters(t, r)
			require.Positive(t, c.Busy)
			require.Equal(t, c.Faults-limit, c.Evictions)
			if policy == CLOCK {
				require.Positive(t, c.Minor)
				return
			}
			require.Equal(t, [3]uint64{model.faults, model.loads, model.out}, [3]uint64{c.Faults, c.Loads, c.Evictions})
			require.Zero(t, c.Minor)
		})
	}
}

// TestClockKeepsWhatIsUsed: a few pages that are touched again and again are loaded once
// under CLOCK, and over and over under FIFO.
func TestClockKeepsWhatIsUsed(t *testing.T) {
	const n, limit, hot, rounds = 200, 40, 8, 40
	loads := map[Policy]uint64{}
	for _, policy := range []Policy{FIFO, CLOCK} {
		r := start(t, limit, policy, n*PageBytes)
		b, sink := r.Bytes(), byte(0)
		for i := range n * rounds / 10 {
			for page := range hot {
				sink += b[page*PageBytes]
			}
			sink += b[(hot+i%(n-hot))*PageBytes]
		}
		require.Zero(t, sink)
		loads[policy] = counters(t, r).Loads
	}
	require.Less(t, loads[CLOCK], loads[FIFO]*95/100)
}

// TestGoroutinesAndCollections: several goroutines write to pages of their own while
// the collector runs, and find them as they were.
func TestGoroutinesAndCollections(t *testing.T) {
	const workers, each, limit = 4, 60, 32
	for _, policy := range []Policy{FIFO, CLOCK} {
		r := start(t, limit, policy, workers*each*PageBytes)
		var all sync.WaitGroup
		stop := make(chan struct{})
		go func() {
			var garbage [][]byte
			for {
				select {
				case <-stop:
					return
				default:
					garbage = append(garbage[:0], make([]byte, 1<<16))
					runtime.GC()
				}
			}
		}()
		wrong := make(chan int, workers)
		for w := range workers {
			all.Go(func() {
				mine, rnd := r.Bytes()[w*each*PageBytes:][:each*PageBytes], rand.New(rand.NewPCG(uint64(w), 3))
				shadow := make([]byte, each)
				for range 3000 {
					page := rnd.IntN(each)
					if mine[page*PageBytes+w] != shadow[page] {
						wrong <- page
						return
					}
					shadow[page]++
					mine[page*PageBytes+w]++
				}
			})
		}
		all.Wait()
		close(stop)
		require.Empty(t, wrong, policy)
		require.LessOrEqual(t, r.resident(t), limit)
	}
}

// TestSamePage: threads that wait for one page all get it.
func TestSamePage(t *testing.T) {
	r := start(t, 2, FIFO, 8*PageBytes)
	for round := range 50 {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for page := range 8 {
					_ = r.Bytes()[page*PageBytes+round]
				}
			})
		}
		all.Wait()
	}
}

// TestDiscard: what is given up reads as zero, wherever it was, and a page's nonce goes on.
func TestDiscard(t *testing.T) {
	r := start(t, 8, FIFO, 32*PageBytes)
	b := r.Bytes()
	for page := range 32 {
		b[page*PageBytes] = 1
	}
	require.NoError(t, r.Discard(0, 32*PageBytes))
	require.Zero(t, r.resident(t))
	for page := range 32 {
		require.Zero(t, b[page*PageBytes])
		b[page*PageBytes] = 2
	}
	require.NoError(t, r.Discard(4*PageBytes, 0))
	for page := range 32 {
		require.EqualValues(t, 2, b[page*PageBytes])
	}
	for _, bad := range [][2]int{{-PageBytes, PageBytes}, {1, PageBytes}, {0, 1}, {0, 33 * PageBytes}, {33 * PageBytes, 0}} {
		require.Equal(t, KindConfig, kindOf(r.Discard(bad[0], bad[1])), bad)
	}
}

// TestLimit: the number of pages can be changed, and all of them be resident.
func TestLimit(t *testing.T) {
	r := start(t, 0, FIFO, 64*PageBytes)
	touch := func() (faults uint64) {
		before := counters(t, r).Faults
		for page := range 64 {
			r.Bytes()[page*PageBytes]++
		}
		return counters(t, r).Faults - before
	}
	require.EqualValues(t, 64, touch())
	require.Zero(t, touch())
	require.NoError(t, r.Limit(16))
	require.Equal(t, 16, r.resident(t))
	require.EqualValues(t, 64, touch(), "round robin is what FIFO is worst at")
	require.NoError(t, r.Limit(0))
	require.EqualValues(t, 48, touch())
	require.Zero(t, touch())
	for page := range 64 {
		require.EqualValues(t, 5, r.Bytes()[page*PageBytes])
	}
	require.Equal(t, KindConfig, kindOf(r.Limit(-1)))
}

// asEnclave makes the test binary an enclave that loses its pager: it ends with
// exitGone when it is told, and with another code if it reads a page first. A process
// that waits for a page that does not come can only end.
const (
	asEnclave = "PAGER_TEST_ENCLAVE"
	exitGone  = 42
	exitRead  = 43
)

func enclave(attack string) int {
	const n, limit = 64, 4
	runtime.GOMAXPROCS(2) // one may be stuck where it cannot be preempted
	_ = os.Setenv(asPager, fmt.Sprintf("%d %d", limit, FIFO))
	r, err := startChild("/proc/self/exe", nil, n*PageBytes)
	if err != nil {
		return 1
	}
	touchAll := func() {
		for page := range n {
			r.Bytes()[page*PageBytes] = 7
		}
	}
	ask := func(v ...uint64) {
		m := message{op: opTest}
		copy(m.n[:], v)
		if _, err := r.ask(m); err != nil {
			os.Exit(1)
		}
	}
	touchAll()
	switch attack {
	case "changed":
		ask(flipBit, 0)
	case "replayed":
		ask(remember, 0)
		touchAll()
		ask(putBack, 0)
	case "swapped":
		ask(swapTwo, 0, 1)
	case "killed":
		go func() {
			first, err := r.Counters()
			for c := first; err == nil && c.Faults < first.Faults+100; { // while it is busy faulting
				c, err = r.Counters()
			}
			_ = r.child.Process.Signal(syscall.SIGKILL)
		}()
	}
	go func() {
		into := make([]byte, 8*PageBytes)
		for i := 0; ; i++ {
			copy(into, r.Bytes()[i%8*8*PageBytes:]) // which cannot be preempted
			if into[0] != 7 || attack != "killed" {
				os.Exit(exitRead)
			}
			runtime.GC()
		}
	}()
	<-r.Done()
	if _, err := r.Counters(); kindOf(err) != KindGone {
		return 1
	}
	if state, err := r.child.Process.Wait(); attack != "killed" && (err != nil || state.ExitCode() != 4) {
		return 1
	}
	return exitGone
}

// TestGone: what is changed, replayed or swapped where the pager keeps it ends the
// pager, and so does a kill; the enclave is told, reads nothing of it, and can end.
func TestGone(t *testing.T) {
	if err := Supported(); err != nil {
		t.Skip("no userfaultfd here: ", err)
	}
	for _, attack := range []string{"changed", "replayed", "swapped", "killed"} {
		t.Run(attack, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), asEnclave+"="+attack)
			cmd.Stderr = &stderr
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Run(), &exit)
			require.Equal(t, exitGone, exit.ExitCode(), stderr.String())
			if attack != "killed" {
				require.Contains(t, stderr.String(), KindSealed.String())
			}
		})
	}
}

// TestAttach: sizes out of bounds and a pager that is no pager are refused.
func TestAttach(t *testing.T) {
	for _, size := range []int{0, -PageBytes, 1, MaxBytes + PageBytes} {
		_, err := Attach(nil, size)
		require.Equal(t, KindConfig, kindOf(err), size)
	}
	if err := Supported(); err != nil {
		t.Skip("no userfaultfd here: ", err)
	}
	ours, theirs, err := Pair()
	require.NoError(t, err)
	require.NoError(t, theirs.Close())
	_, err = Attach(ours, PageBytes)
	require.Equal(t, KindGone, kindOf(err))
}

// TestServe: a pager refuses what is no enclave.
func TestServe(t *testing.T) {
	require.Equal(t, KindConfig, kindOf(Serve(nil, Config{Pages: -1})))
	for name, say := range map[string]func(f *os.File){
		"nothing":        func(f *os.File) { _ = f.Close() },
		"no descriptors": func(f *os.File) { _ = writeMessage(f, &message{op: opAttach, n: [5]uint64{4096, PageBytes}}) },
		"something else": func(f *os.File) { _ = writeMessage(f, &message{op: opLimit}) },
		"too much":       func(f *os.File) { _ = writeMessage(f, &message{op: opAttach, n: [5]uint64{4096, MaxBytes * 2}}) },
	} {
		ours, theirs, err := Pair()
		require.NoError(t, err)
		say(ours)
		kind := kindOf(Serve(theirs, Config{}))
		require.True(t, kind == KindProtocol || kind == KindGone, "%s: %v", name, kind)
		_ = ours.Close()
		_ = theirs.Close()
	}
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestPolicyAndErrors(t *testing.T) {
	for _, p := range []Policy{FIFO, CLOCK} {
		got, err := ParsePolicy(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParsePolicy("lru")
	require.Equal(t, KindConfig, kindOf(err))
	seen := map[string]bool{}
	for k := KindUnsupported; k <= KindProtocol; k++ {
		require.NotEqual(t, "kind "+strconv.Itoa(int(k)), k.String())
		require.False(t, seen[k.String()])
		seen[k.String()] = true
	}
}

// BenchmarkFault is a fault that takes a page away and brings another: time, and a
// resident page's beside it.
func BenchmarkFault(b *testing.B) {
	for _, limit := range []int{64, 0} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			if err := Supported(); err != nil {
				b.Skip("no userfaultfd here: ", err)
			}
			b.Setenv(asPager, fmt.Sprintf("%d %d", limit, FIFO))
			r, err := startChild("/proc/self/exe", nil, 256*PageBytes)
			require.NoError(b, err)
			defer r.Close() //nolint:errcheck // the end of the benchmark
			for page := range 256 {
				r.Bytes()[page*PageBytes] = 1
			}
			i := 0
			for b.Loop() {
				i++
				r.Bytes()[i%256*PageBytes]++
			}
		})
	}
}
