package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// throttle bounds how often the bar is drawn.
const throttle = 100 * time.Millisecond

// progress is a bar of rows, with an estimate of when it ends.
type progress struct {
	bar *progressbar.ProgressBar
	w   io.Writer
}

func newProgress(w io.Writer, o options) *progress {
	return &progress{w: w, bar: progressbar.NewOptions(o.rows(), progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(throttle),
		progressbar.OptionFullWidth(), progressbar.OptionSetDescription("epcbench"))}
}

func (p *progress) note(what string) { p.bar.Describe(what) }

func (p *progress) row() { _ = p.bar.Add(1) }

// say writes a line above the bar.
func (p *progress) say(what string) {
	_ = p.bar.Clear()
	_, _ = fmt.Fprintln(p.w, what)
}

func (p *progress) finish() {
	_ = p.bar.Exit()
	_, _ = fmt.Fprintln(p.w)
}
