package launch

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// pagerGrace is how long enclaved has to notice by itself that its pager is gone.
const pagerGrace = 2 * time.Second

// pager is the process that serves the pages of an enclave's simulated EPC. It lives as
// long as its enclave: neither is left without the other. A nil pager is none.
type pager struct {
	cmd    *exec.Cmd
	socket *os.File // the enclave's end, until the enclave has it
	exited chan struct{}
	stderr io.Writer
}

// command prepares a run of enclaved.
func command(binary string, args []string, stderr io.Writer) *exec.Cmd {
	cmd := exec.Command(binary, args...) // #nosec G204 -- the operator's choice of binary
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.SysProcAttr = childAttributes()
	return cmd
}

func startPager(binary string, args []string, stderr io.Writer) (*pager, error) {
	theirs, ours, err := socketPair()
	if err != nil {
		return nil, err
	}
	p := &pager{
		cmd: command(binary, append([]string{"epc-pager"}, args...), stderr), socket: ours,
		exited: make(chan struct{}), stderr: stderr,
	}
	p.cmd.ExtraFiles = []*os.File{theirs}
	started := make(chan error, 1)
	go func() { // a thread of its own: see enclave.start
		runtime.LockOSThread()
		err := p.cmd.Start()
		_ = theirs.Close()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		_ = ours.Close()
		return nil, err
	}
	return p, nil
}

// attach hands the enclave's end to a process that is about to start.
func (p *pager) attach(enclave *exec.Cmd) {
	if p != nil {
		enclave.ExtraFiles = []*os.File{p.socket}
	}
}

// attached gives our copy of it up: only the enclave's end keeps the pager alive.
func (p *pager) attached() {
	if p != nil {
		_ = p.socket.Close()
	}
}

// watch kills the enclave when its pager has ended and it did not notice.
func (p *pager) watch(enclave *os.Process) (stop func()) {
	if p == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-p.exited:
		}
		_, _ = fmt.Fprintf(p.stderr, "routerd: the pager of the simulated EPC ended: %v\n", p.cmd.ProcessState)
		timer := time.NewTimer(pagerGrace)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			_ = enclave.Kill()
		}
	}()
	return func() { close(done) }
}

// end ends the pager of an enclave that has ended, or was never started.
func (p *pager) end() {
	if p == nil {
		return
	}
	_ = p.socket.Close() // may be closed already
	_ = p.cmd.Process.Kill()
	<-p.exited
}
