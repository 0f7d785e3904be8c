package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// throttle bounds how often the bar is drawn, and slowly how often where nobody is watching.
const (
	throttle = 100 * time.Millisecond
	slowly   = 5 * time.Second
)

// progress is a bar of rows, with an estimate of when it ends.
type progress struct {
	bar *progressbar.ProgressBar
	w   io.Writer
}

func newProgress(w io.Writer, o options) *progress {
	every := slowly
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		every = throttle
	}
	return &progress{w: w, bar: progressbar.NewOptions(o.rows(), progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(every),
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
