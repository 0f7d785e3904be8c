package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scbr/scbr/client"
)

// steady takes the time at which 10 % and 90 % of the publications were complete (acknowledged, and opened by every subscriber that had
// to get them): start-up and the last stragglers are left out of the rate, and a backlog does not count as work done.
type steady struct {
	total    int
	mu       sync.Mutex
	from, to time.Time
	counted  int
}

func (s *steady) reached(n int) {
	low, high := s.total/10, s.total*9/10
	if n != low && n != high {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == low {
		s.from = time.Now()
	}
	if n == high {
		s.to, s.counted = time.Now(), high-low
	}
}

// perSecond is zero for runs too short to have a steady part.
func (s *steady) perSecond() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.to.Sub(s.from).Seconds()
	if s.from.IsZero() || s.to.IsZero() || d <= 0 {
		return 0
	}
	return float64(s.counted) / d
}

// window bounds the receipts that one publisher holds; the SDK has its own bound below.
const window = 4096

// sent is a publication under way.
type sent struct {
	receipt     *client.Receipt
	publication int
}

func (r *run) publishAll(ctx context.Context) error {
	r.acknowledge(ctx, r.showcase())
	errs := make([]error, len(r.pubs))
	var all sync.WaitGroup
	for n, c := range r.pubs {
		all.Go(func() { errs[n] = r.publishShare(ctx, c, n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// publishShare publishes every len(pubs)-th event from n on, in order, and waits for every acknowledgement.
func (r *run) publishShare(ctx context.Context, c *client.Client, n int) error {
	receipts := make(chan sent, window)
	waited := make(chan error, 1)
	go func() {
		var failed error
		for s := range receipts {
			if err := s.receipt.Wait(ctx); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			r.acknowledge(ctx, s.publication)
		}
		waited <- failed
	}()
	err := r.send(ctx, c, n, receipts)
	close(receipts)
	return errors.Join(err, <-waited)
}

func (r *run) send(ctx context.Context, c *client.Client, n int, receipts chan<- sent) error {
	first := r.showcase()
	begin, count := time.Now(), 0
	body := make([]byte, 0, r.cfg.PayloadBytes) // PublishAsync keeps nothing of it
	for i := n; i < len(r.w.Events); i += len(r.pubs) {
		if i == first {
			continue
		}
		if err := r.pace(ctx, begin, count); err != nil {
			return err
		}
		r.started[i].Store(time.Since(r.epoch).Nanoseconds())
		rc, err := c.PublishAsync(ctx, r.w.Events[i], r.bodies.make(body, i))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		receipts <- sent{rc, i}
		count++
	}
	return nil
}

// pace waits until it is this publisher's turn to send one more than it has sent.
func (r *run) pace(ctx context.Context, begin time.Time, sent int) error {
	if r.cfg.Rate == 0 {
		return nil
	}
	due := begin.Add(time.Duration(float64(sent) * float64(len(r.pubs)) / float64(r.cfg.Rate) * float64(time.Second)))
	d := time.Until(due)
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// acknowledge notes the acknowledgement of publication i.
func (r *run) acknowledge(ctx context.Context, i int) {
	n := int(r.acked.Add(1))
	r.assault.strike(ctx, n, len(r.w.Events))
	if r.cfg.Progress != nil {
		r.cfg.Progress(n)
	}
	r.done(i, 1)
}

// done notes n of the events that complete publication i: its acknowledgement and its pairs.
func (r *run) done(i, n int) {
	if r.open[i].Add(int32(-n)) == 0 {
		r.marks.reached(int(r.complete.Add(1)))
	}
}
