package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/epc/pager"
)

const (
	// patience bounds every wait for the process; it only decides how soon a broken one is reported.
	patience = 60 * time.Second
	// stopPatience bounds the wait for its end.
	stopPatience = 10 * time.Second
	// socketBuffer holds the largest batch, so that host and enclave do not take turns within one.
	socketBuffer = 4 << 20
	// pagedBudget is more than any store here: what does not fit the simulated EPC is paged.
	pagedBudget = "1GiB"
)

func platformOf(dir string) string { return filepath.Join(dir, devinit.PlatformDir) }

// process is an enclaved behind its unix socket.
type process struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	said *bytes.Buffer
	clk  []clock   // of all processes that do its work
	side *exec.Cmd // the pager of a simulated EPC; nil: there is none
	buf  []byte    // what was read
	held int       // so much of it is not yet a whole frame
}

// newProcess starts the enclaved in folder bin, with its files in dir, and returns what a client of it needs. With a size of a simulated
// EPC its store lies there.
func newProcess(ctx context.Context, bin, dir, size string) (*process, client.Config, error) {
	exe, dev, socket := filepath.Join(bin, "enclaved"), filepath.Join(dir, "dev"), filepath.Join(dir, "s")
	if out, err := exec.CommandContext(ctx, exe, "dev-init", dev).CombinedOutput(); err != nil { // #nosec G204 -- the binary just built
		return nil, client.Config{}, fmt.Errorf("enclaved dev-init: %w\n%s", err, out)
	}
	cfg, err := client.LoadDir(dev)
	if err != nil {
		return nil, cfg, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, cfg, err
	}
	defer l.Close() //nolint:errcheck // one connection is all that is wanted of it
	p := &process{said: &bytes.Buffer{}, buf: make([]byte, socketBuffer)}
	p.cmd = exec.CommandContext(ctx, exe, "run", "--socket", socket, "--domain", filepath.Join(dev, devinit.DomainFile), // #nosec G204 -- as above
		"--platform", platformOf(dev), "--router", cfg.Router)
	p.cmd.Stderr = p.said
	if size != "" {
		if err := p.startPager(ctx, exe, size); err != nil {
			return nil, cfg, err
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, cfg, err
	}
	for _, f := range p.cmd.ExtraFiles {
		_ = f.Close() // the enclave's own keeps the pager alive
	}
	if err := p.greet(l); err != nil {
		return nil, cfg, errors.Join(err, p.close())
	}
	return p, cfg, nil
}

// startPager starts the process that serves the enclave's pages, and tells the enclave of it.
func (p *process) startPager(ctx context.Context, exe, size string) error {
	ours, theirs, err := pager.Pair()
	if err != nil {
		return err
	}
	p.side = exec.CommandContext(ctx, exe, "epc-pager", "--epc-sim", size) // #nosec G204 -- the binary just built
	p.side.ExtraFiles = []*os.File{theirs}
	err = p.side.Start()
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return err
	}
	p.cmd.Args = append(p.cmd.Args, "--epc-sim", size, "--epc-budget", pagedBudget)
	p.cmd.ExtraFiles = []*os.File{ours}
	return nil
}

// greet waits for the enclave's first frame.
func (p *process) greet(l *net.UnixListener) (err error) {
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if p.conn, err = l.AcceptUnix(); err != nil {
		return err
	}
	if err := errors.Join(p.conn.SetWriteBuffer(socketBuffer), p.conn.SetReadBuffer(socketBuffer)); err != nil {
		return err
	}
	for _, cmd := range []*exec.Cmd{p.cmd, p.side} {
		if cmd == nil {
			continue
		}
		c, err := clockOf(cmd.Process.Pid)
		if err != nil {
			return err
		}
		p.clk = append(p.clk, c)
	}
	return p.exchange(nil, func(f *abi.Frame) (bool, error) { return f.Type == abi.Statement, nil })
}

func (p *process) exchange(in []byte, take taker) error {
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if len(in) > 0 {
		if _, err := p.conn.Write(in); err != nil {
			return err
		}
	}
	for {
		n, err := p.conn.Read(p.buf[p.held:])
		if err != nil {
			return err
		}
		p.held += n
		whole, err := abi.Whole(p.buf[:p.held])
		if err != nil {
			return err
		}
		last, err := frames(p.buf[:whole], take)
		p.held = copy(p.buf, p.buf[whole:p.held])
		if last || err != nil {
			return err
		}
	}
}

func (p *process) cpu() (all time.Duration) {
	for _, c := range p.clk {
		all += c.now()
	}
	return all
}

// close ends the process by hanging up, which it takes for the ordinary end.
func (p *process) close() error {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	timer := time.AfterFunc(stopPatience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if p.side != nil {
		defer p.side.Wait() //nolint:errcheck // it ends with its enclave
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("enclaved: %w\n%s", err, p.said)
	}
	return nil
}
