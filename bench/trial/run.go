package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// Config says how a trial is run.
type Config struct {
	Subscribers  int    // sessions that share the subscriptions round robin
	Publishers   int    // sessions that share the publications round robin
	PayloadBytes int    // at least MinPayloadBytes
	Rate         int    // publications/s over all publishers; 0 = as fast as acknowledged
	NoPadding    bool   // messages of their own length
	Stalled      int    // sessions that subscribe to everything and read nothing
	SlowConsumer string // policy of routerd; empty: its default
	EPCSim       string // size of a simulated EPC; empty: none
	EPCPolicy    string // which page leaves it; empty: routerd's default
	EPCOverflow  string // what happens beyond the budget; empty: routerd's default
	// Assault happens in the middle; nil: nothing does.
	Assault *Assault
	// Through is the address that clients dial instead of the router's; empty: the router's.
	Through string
	// Progress is told how many publications are acknowledged; it may be nil.
	Progress func(acknowledged int)
}

// Validate lists every fault of the configuration at once.
func (c Config) Validate() error {
	var faults []error
	if c.Subscribers < 1 || c.Publishers < 1 {
		faults = append(faults, errors.New("need at least one subscriber and one publisher"))
	}
	if c.PayloadBytes < MinPayloadBytes || c.PayloadBytes > client.MaxPayloadBytes {
		faults = append(faults, fmt.Errorf("payload of %d bytes: need %d (the publication number) to %d (a frame)",
			c.PayloadBytes, MinPayloadBytes, client.MaxPayloadBytes))
	}
	if c.Stalled < 0 {
		faults = append(faults, errors.New("number of stalled sessions must not be negative"))
	}
	if c.Rate < 0 {
		faults = append(faults, errors.New("rate must not be negative"))
	}
	return errors.Join(faults...)
}

const (
	// drainTimeout bounds the wait for an end marker after the last acknowledgement: a subscriber that hears nothing of a killed router gives
	// its session up after twice the SDK's heartbeat time-out.
	drainTimeout = 60 * time.Second
	// markerInterval is the time between two end markers: most runs need one.
	markerInterval = time.Second
)

var errNoEnd = errors.New("not every subscriber got an end marker in time")

type run struct {
	cfg     Config
	w       *Workload
	sys     *System
	iss     *Issuer
	subs    []*collector
	pubs    []*client.Client
	stalled []*client.Client

	epoch    time.Time
	started  []atomic.Int64
	seen     []bool         // pairs delivered; each belongs to one session
	open     []atomic.Int32 // publication -> acknowledgement and pairs still to come
	acked    atomic.Int64
	complete atomic.Int64
	marks    steady
	bodies   *payloads
	assault  *assault

	storeBytes float64
	heapBytes  float64
}

// Run registers the workload's subscriptions at the system, publishes its events and judges what arrives.
func Run(ctx context.Context, sys *System, w *Workload, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	iss, err := NewIssuer(sys)
	if err != nil {
		return nil, err
	}
	if cfg.Through != "" {
		iss.addr = cfg.Through
	}
	iss.base.NoPadding = cfg.NoPadding
	r := &run{cfg: cfg, w: w, sys: sys, iss: iss, epoch: time.Now(), started: make([]atomic.Int64, len(w.Events)), bodies: newPayloads(cfg.PayloadBytes)}
	r.assault = newAssault(cfg.Assault, sys)
	r.marks.total = len(w.Events)
	r.seen = make([]bool, w.Pairs)
	r.open = make([]atomic.Int32, len(w.Events))
	for i := range r.open {
		r.open[i].Store(int32(1 + len(w.Expected[i])))
	}
	defer r.close()
	if err := r.subscribe(ctx); err != nil {
		return nil, err
	}
	if err := r.stall(ctx); err != nil {
		return nil, fmt.Errorf("stalled session: %w", err)
	}
	if r.pubs, err = iss.dialAll(ctx, "publisher", cfg.Publishers, "TRUE", ""); err != nil {
		return nil, err
	}
	return r.measure(ctx)
}

func (r *run) measure(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var collecting sync.WaitGroup
	errs := make([]error, len(r.subs))
	for i, k := range r.subs {
		collecting.Go(func() { errs[i] = k.run(ctx) })
	}
	host, err := r.showOne(ctx)
	if err == nil {
		err = r.publishAll(ctx)
	}
	if err == nil {
		err = r.assault.over(ctx)
	}
	if err == nil {
		err = r.end(ctx, &collecting)
	}
	if err != nil {
		cancel()
	}
	collecting.Wait()
	if err != nil {
		return nil, err
	}
	rep := r.report()
	if r.cfg.Assault != nil {
		if err := r.aftermath(rep); err != nil {
			return nil, err
		}
	}
	if err := r.countPages(ctx, rep); err != nil {
		return nil, err
	}
	rep.Host = host
	rep.BytesPerSubscription = r.storeBytes / float64(rep.Subscriptions)
	rep.StoreBytes, rep.HeapBytes = r.storeBytes, r.heapBytes
	return rep, errors.Join(errs...) // what ended a collector early explains the pairs it misses
}

func (r *run) subscribe(ctx context.Context) error {
	sessions, err := r.iss.dialAll(ctx, "subscriber", r.cfg.Subscribers, "", "TRUE")
	for _, c := range sessions {
		r.subs = append(r.subs, &collector{
			w: r.w, c: c, ids: map[uint32]int{}, bodies: r.bodies, started: r.started, epoch: r.epoch,
			first: r.showcase(), seen: r.seen, done: r.done, windows: newWindows(r.cfg.Publishers), assault: r.assault,
			hist: hdrhistogram.New(latencyMin, latencyMax, latencyDigits),
		})
	}
	if err != nil {
		return err
	}
	marker, err := filter.Parse(endAttribute + " = TRUE")
	if err != nil {
		return err
	}
	errs := make([]error, len(r.subs))
	var all sync.WaitGroup
	for n, k := range r.subs {
		all.Go(func() { errs[n] = r.register(ctx, k, n, marker) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if r.storeBytes, err = r.sys.storeBytes(ctx, len(r.w.Subscriptions)+len(r.subs)); err != nil {
		return err
	}
	r.heapBytes, err = r.sys.Gauge(ctx, "scbr_enclave_heap_bytes")
	return err
}

// register gives session n its share of the subscriptions and the filter for the end marker. An id has one session, however many
// filters it has.
func (r *run) register(ctx context.Context, k *collector, n int, marker filter.Filter) error {
	for i := range r.w.Subscriptions {
		if r.w.ids[i]%r.cfg.Subscribers != n {
			continue
		}
		s, err := k.c.Subscribe(ctx, r.w.Subscriptions[i].Filter)
		if err != nil {
			return fmt.Errorf("subscription %s: %w", r.w.Subscriptions[i].ID, err)
		}
		k.ids[s.ID()] = r.w.ids[i]
	}
	s, err := k.c.Subscribe(ctx, marker)
	if err != nil {
		return err
	}
	k.end = s.ID()
	return nil
}

// showcase is the first publication that somebody gets.
func (r *run) showcase() int {
	for i, e := range r.w.Expected {
		if len(e) > 0 {
			return i
		}
	}
	return 0
}

// showOne publishes the showcase publication alone and asks the host what it saw of it.
func (r *run) showOne(ctx context.Context) (HostView, error) {
	i := r.showcase()
	if err := r.sys.post(ctx, "/host-view"); err != nil {
		return HostView{}, err
	}
	r.started[i].Store(time.Since(r.epoch).Nanoseconds())
	if err := r.pubs[i%len(r.pubs)].Publish(ctx, r.w.Events[i], r.bodies.make(nil, i)); err != nil {
		return HostView{}, fmt.Errorf("publish: %w", err)
	}
	return r.sys.hostView(ctx)
}

// end publishes markers until every collector has ended.
func (r *run) end(ctx context.Context, collecting *sync.WaitGroup) error {
	cfg, err := r.iss.Config("conductor", endAttribute+" = TRUE", "", 1)
	if err != nil {
		return err
	}
	e, err := filter.NewEvent(filter.Attribute{Name: endAttribute, Value: filter.Bool(true)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, drainTimeout, errNoEnd)
	defer cancel()
	c, err := dialSoon(ctx, cfg)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		collecting.Wait()
	}()
	for {
		if err := c.Publish(ctx, e, nil); err != nil {
			return errors.Join(err, c.Close())
		}
		select {
		case <-ended:
			return c.Close()
		case <-time.After(markerInterval):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), c.Close())
		}
	}
}

// dialSoon dials until it succeeds or ctx ends: what was killed may not be back yet, and a first session is not tried again by the SDK.
func dialSoon(ctx context.Context, cfg client.Config) (*client.Client, error) {
	for {
		c, err := client.Dial(ctx, cfg)
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (r *run) report() *Report {
	rep := &Report{
		Subscriptions: len(r.w.Subscriptions), Publications: len(r.w.Events), Expected: r.w.Pairs,
		PublicationsPerSecond: r.marks.perSecond(), Rate: r.cfg.Rate,
	}
	all := hdrhistogram.New(latencyMin, latencyMax, latencyDigits)
	for _, k := range r.subs {
		rep.Delivered += k.delivered
		rep.Unexpected += k.unexpected
		all.Merge(k.hist)
		if k.view != nil {
			rep.Subscriber = *k.view
		}
	}
	rep.Missing = rep.Expected - rep.Delivered
	rep.Announced = r.announced()
	rep.Latency = Latency{P50: all.ValueAtQuantile(50), P99: all.ValueAtQuantile(99)}
	return rep
}

// announced counts the missing pairs that lie inside a window in which the SDK told the subscriber that something may be lost.
func (r *run) announced() (pairs int) {
	for i, expected := range r.w.Expected {
		missing := map[int]int{} // subscriber -> pairs of this publication
		for at, id := range expected {
			if !r.seen[r.w.first[i]+at] {
				missing[id%len(r.subs)]++
			}
		}
		for n, count := range missing {
			if r.subs[n].windows.explain(i%r.cfg.Publishers, placeOf(i, r.showcase()), time.Duration(r.started[i].Load())) {
				pairs += count
			}
		}
	}
	return pairs
}

// aftermath notes what became of the killed process.
func (r *run) aftermath(rep *Report) error {
	ctx, cancel := context.WithTimeout(context.Background(), httpTimeout)
	defer cancel()
	restarts, err := r.sys.Gauge(ctx, "scbr_enclave_restarts_total")
	if err != nil {
		return err
	}
	rep.assault, rep.EnclaveRestarts, rep.RouterRestarts = r.cfg.Assault, int(restarts), r.sys.Restarts()
	rep.OutageMillis = r.assault.longest.Milliseconds()
	for _, c := range r.pubs {
		rep.Resent += c.Stats().Resent
	}
	for _, k := range r.subs {
		rep.Duplicates += k.c.Stats().Duplicates
	}
	return nil
}

// countPages asks for the counters of the simulated EPC once the enclave has told them anew.
func (r *run) countPages(ctx context.Context, rep *Report) error {
	if rep.simulated = r.cfg.EPCSim != ""; !rep.simulated {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	for over := time.Now(); ; {
		age, err := r.sys.Gauge(ctx, "scbr_enclave_stats_age_seconds")
		if err != nil {
			return err
		}
		if age < time.Since(over).Seconds() {
			break
		}
		<-time.After(pollInterval)
	}
	faults, err := r.sys.Gauge(ctx, "scbr_epc_faults_total")
	if err != nil {
		return err
	}
	evictions, err := r.sys.Gauge(ctx, "scbr_epc_evictions_total")
	rep.EPCFaults, rep.EPCEvictions = uint64(faults), uint64(evictions)
	return err
}

func (r *run) close() {
	for _, k := range r.subs {
		_ = k.c.Close()
	}
	for _, c := range append(r.pubs, r.stalled...) {
		_ = c.Close()
	}
}
