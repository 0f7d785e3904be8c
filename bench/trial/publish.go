package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scbr/scbr/client"
)

// steady takes the time at which 10 % and 90 % of the publications were acknowledged: start-up and the last stragglers are
// left out of the rate.
type steady struct {
	total    int
	mu       sync.Mutex
	from, to time.Time
	counted  int
}

func (s *steady) acknowledged(n int) {
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

func (r *run) publishAll(ctx context.Context) error {
	r.acknowledge() // the showcase
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
	receipts := make(chan *client.Receipt, window)
	waited := make(chan error, 1)
	go func() {
		var failed error
		for rc := range receipts {
			if err := rc.Wait(ctx); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			r.acknowledge()
		}
		waited <- failed
	}()
	err := r.send(ctx, c, n, receipts)
	close(receipts)
	return errors.Join(err, <-waited)
}

func (r *run) send(ctx context.Context, c *client.Client, n int, receipts chan<- *client.Receipt) error {
	first := r.showcase()
	begin, sent := time.Now(), 0
	for i := n; i < len(r.w.Events); i += len(r.pubs) {
		if i == first {
			continue
		}
		if err := r.pace(ctx, begin, sent); err != nil {
			return err
		}
		r.started[i].Store(time.Since(r.epoch).Nanoseconds())
		rc, err := c.PublishAsync(ctx, r.w.Events[i], payload(i, r.cfg.PayloadBytes))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		receipts <- rc
		sent++
	}
	return nil
}

// pace waits until it is this publisher's turn to send its sent-th publication.
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

func (r *run) acknowledge() {
	n := int(r.acked.Add(1))
	r.marks.acknowledged(n)
	if r.cfg.Progress != nil {
		r.cfg.Progress(n)
	}
}
