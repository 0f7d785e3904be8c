package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// soakCycles is how many sessions come and go; SCBR_SOAK=N sets another number.
	soakCycles = 10_000
	// soakShort is for runs with -short, which the race detector makes slow.
	soakShort = 400
	// soakWarmup is how many cycles fill pools and caches before the baseline is taken.
	soakWarmup = 200
	// soakWorkers is how many sessions live at once.
	soakWorkers = 8
	// soakSlack is what memory may be above the baseline: the Go heap breathes by as much as it holds, and pools keep what was used last.
	soakSlack = 24 << 20
	// soakFew is how many goroutines and files an idle connection of the metrics page may hold.
	soakFew = 8
	// vanishEvery is of how many sessions one vanishes without a word, which routerd notices after half a minute: none while it warms up.
	vanishEvery = 500
	// vanishTimeout is what a client whose socket is gone waits for an answer.
	vanishTimeout = 50 * time.Millisecond
	// soakPatience is more than routerd waits for a client that vanished.
	soakPatience = 90 * time.Second
)

// level is what may grow in a process; enclaved has no goroutines and files to be seen from outside.
type level struct{ goroutines, files, memory, enclave float64 }

// TestSoak: after 10,000 sessions that ended in every way a session can end, routerd, enclaved and this process have as many goroutines and
// open files as before, no session and no subscription is left, and memory is where it was.
func TestSoak(t *testing.T) {
	cycles := soakCycles
	if testing.Short() {
		cycles = soakShort
	}
	if n, err := strconv.Atoi(os.Getenv("SCBR_SOAK")); err == nil {
		cycles = n
	}
	sys, iss := processes(t)
	cfg, err := iss.Config("soak", "TRUE", "TRUE", 1)
	require.NoError(t, err)
	cfg.NoReconnect = true

	soak(t, cfg, soakWarmup)
	router, own := settled(t, sys), ownLevel()
	soak(t, cfg, cycles)
	back := settled(t, sys)
	require.Eventuallyf(t, func() bool {
		back = levelOf(t, sys)
		return back.within(router)
	}, patience, 10*tick, "routerd: before %+v, now %+v", router, &back)
	mine := level{files: -1}
	require.Eventuallyf(t, func() bool {
		mine = ownLevel()
		return mine.within(own)
	}, patience, 10*tick, "the SDK: before %+v, now %+v", own, &mine)
	t.Logf("%d sessions; routerd and enclaved before %+v, after %+v; SDK before %+v, after %+v", cycles, router, back, own, mine)
}

// within says whether nothing grew by more than a scrape of the metrics holds or a pool keeps.
func (l level) within(base level) bool {
	return l.goroutines <= base.goroutines+soakFew && l.files <= base.files+soakFew &&
		l.memory <= base.memory+soakSlack && l.enclave <= base.enclave+soakSlack
}

// processes builds and starts the real ones.
func processes(t *testing.T) (*trial.System, *trial.Issuer) {
	t.Helper()
	sys, err := trial.Start(t.Context(), programs(t), t.TempDir()+"/dev")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sys.Stop()) })
	iss, err := trial.NewIssuer(sys)
	require.NoError(t, err)
	return sys, iss
}

// soak opens and ends sessions.
func soak(t *testing.T, cfg client.Config, cycles int) {
	t.Helper()
	var all sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, soakWorkers)
	for w := range soakWorkers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= cycles && errs[w] == nil; i = int(next.Add(1)) {
				errs[w] = cycle(t.Context(), cfg, i)
			}
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

// cycle is one session; n chooses how it ends.
func cycle(ctx context.Context, cfg client.Config, n int) error {
	if n%10 == 0 { // a handshake that is given up
		short, cancel := context.WithTimeout(ctx, time.Duration(n%7)*time.Millisecond)
		defer cancel()
		c, err := client.Dial(short, cfg)
		if err == nil {
			return c.Close()
		}
		return nil
	}
	var socket net.PacketConn
	vanishes := n%vanishEvery == vanishEvery-1
	if vanishes {
		var err error
		if socket, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return err
		}
		cfg.PacketConn, cfg.CloseTimeout = socket, vanishTimeout
	}
	c, err := client.Dial(ctx, cfg)
	if err != nil {
		return fmt.Errorf("cycle %d: %w", n, err)
	}
	if err := use(ctx, c, int64(n)); err != nil {
		return fmt.Errorf("cycle %d: %w", n, err)
	}
	if vanishes { // nobody hears of its end
		err = socket.Close()
	}
	return errors.Join(err, c.Close())
}

// use subscribes, publishes and receives its own publication.
func use(ctx context.Context, c *client.Client, n int64) error {
	where, err := filter.Parse(fmt.Sprintf("n = %d", n))
	if err != nil {
		return err
	}
	sub, err := c.Subscribe(ctx, where)
	if err != nil {
		return err
	}
	e, err := filter.NewEvent(filter.Attribute{Name: "n", Value: filter.Int(n)})
	if err != nil {
		return err
	}
	if err := c.Publish(ctx, e, []byte("soak")); err != nil {
		return err
	}
	if _, err := c.Receive(ctx); err != nil {
		return err
	}
	if n%2 == 0 { // the others leave it to the end of the session
		return sub.Unsubscribe(ctx)
	}
	return nil
}

// settled waits until routerd and enclaved have no session left and returns the level of both.
func settled(t *testing.T, sys *trial.System) level {
	t.Helper()
	require.Eventually(t, func() bool {
		return gauge(t, sys, "scbr_router_sessions")+gauge(t, sys, "scbr_router_half_open")+
			gauge(t, sys, "scbr_enclave_sessions")+gauge(t, sys, "scbr_enclave_subscriptions") == 0
	}, soakPatience, 10*tick, "sessions, handshakes or subscriptions are left")
	return levelOf(t, sys)
}

func levelOf(t *testing.T, sys *trial.System) level {
	t.Helper()
	return level{gauge(t, sys, "go_goroutines"), gauge(t, sys, "process_open_fds"), gauge(t, sys, "process_resident_memory_bytes"), enclaveMemory(t, sys)}
}

func gauge(t *testing.T, sys *trial.System, name string) float64 {
	t.Helper()
	n, err := sys.Gauge(t.Context(), name)
	require.NoError(t, err)
	return n
}

// enclaveMemory is the resident memory of enclaved, which even a process closed to others shows (proc(5), statm: pages, the second
// field).
func enclaveMemory(t *testing.T, sys *trial.System) float64 {
	t.Helper()
	pid, err := sys.EnclavePID()
	require.NoError(t, err)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(t, err)
	pages, err := strconv.ParseFloat(string(bytes.Fields(b)[1]), 64)
	require.NoError(t, err)
	return pages * float64(os.Getpagesize())
}

func ownLevel() level {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := filepath.Glob("/proc/self/fd/*")
	return level{goroutines: float64(runtime.NumGoroutine()), files: float64(len(files)), memory: float64(m.HeapInuse)}
}
