package router

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

const (
	benchBatch   = 64  // publications per blob
	benchHeader  = 180 // bytes of a sealed header
	benchPayload = 256
)

// socketPair is a link as routerd has it.
func socketPair(b *testing.B) (host, inside net.Conn) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(b, err)
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "link")
		ends[i], err = net.FileConn(f)
		require.NoError(b, err)
		_ = f.Close()
	}
	return ends[0], ends[1]
}

// benchEnclave delivers every publication to the sessions above the first, the publisher, one Deliver a session and read.
func benchEnclave(conn net.Conn, done chan<- struct{}) {
	defer close(done)
	buf, out := make([]byte, 4<<20), make([]byte, 0, 1<<20)
	end := 0
	blob := make([]byte, benchBatch*benchHeader)
	var opened []uint64
	out = abi.AppendReady(out, [16]byte{}, [abi.MeasurementLen]byte{}, true)
	var ids []uint64
	for {
		if _, err := conn.Write(out); err != nil {
			return
		}
		out = out[:0]
		n, err := conn.Read(buf[end:])
		if err != nil {
			return
		}
		end += n
		rest := buf[:end]
		for {
			f, after, err := abi.Next(rest)
			if err != nil {
				break
			}
			rest = after
			switch f.Type {
			case abi.Open:
				opened = append(opened, f.Conn)
				out = abi.AppendHandshake(out, f.Conn, abi.StageAnswer, []byte("m2"))
			case abi.Finish:
				out = abi.AppendHandshake(out, f.Conn, abi.StageConfirm, []byte("m4"))
			case abi.Data:
				ids = ids[:0]
				for i := range uint64(f.Count) {
					ids = append(ids, f.Ref+i)
				}
				for _, c := range opened[1:] {
					out = abi.AppendDeliver(out, c, ids, blob[:len(f.Body)])
				}
				out = abi.AppendDeliver(out, f.Conn, nil, blob[:100])
				out = abi.AppendHandled(out, f.Ref, f.Count)
			case abi.Shutdown:
				_, _ = conn.Write(abi.AppendBye(out))
				return
			default:
			}
		}
		end = copy(buf, rest)
	}
}

// BenchmarkRouter is the ceiling: real QUIC, a link over a socket pair, an enclave that does nothing. One operation is one
// publication; all parties run in this process.
func BenchmarkRouter(b *testing.B) {
	for _, fan := range []int{1, 10} {
		for _, offload := range []bool{true, false} {
			b.Run(fmt.Sprintf("fan-out=%d/gro=%v", fan, offload), func(b *testing.B) { benchRouter(b, fan, offload) })
		}
	}
}

func benchRouter(b *testing.B, fan int, offload bool) {
	done := make(chan struct{})
	w := start(b, func(c *Config, _ *fakeEnclave) {
		host, inside := socketPair(b)
		c.Enclave = host
		go benchEnclave(inside, done)
		if !offload {
			plain, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			require.NoError(b, err)
			b.Cleanup(func() { _ = plain.Close() })
			c.PacketConn = plain
		}
	})
	b.Cleanup(func() { w.cancel(); <-done })
	publisher := w.session()
	go drain(publisher)
	received := make(chan int, fan)
	for range fan {
		c := w.session()
		go func() { received <- count(c, b.N) }()
	}
	payloads := make([][]byte, benchBatch)
	for i := range payloads {
		payloads[i] = make([]byte, benchPayload)
	}
	blob := make([]byte, benchBatch*benchHeader)
	var frame []byte
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for sent := 0; sent < b.N; {
		n := min(benchBatch, b.N-sent)
		frame = wire.AppendData(frame[:0], blob[:n*benchHeader], payloads[:n])
		publisher.send(frame)
		sent += n
	}
	for range fan {
		if got := <-received; got != b.N {
			b.Fatalf("%d of %d received; dropped %v, slow %v, paused %v times", got, b.N, w.dropped(dropFull), w.refused(wire.SlowConsumer),
				testutil.ToFloat64(w.r.metrics.pauses))
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(testutil.ToFloat64(w.r.metrics.pausedSeconds), "s-paused")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(b.N*fan)/b.Elapsed().Seconds(), "deliveries/s")
}

func drain(c *client) {
	_ = c.stream.SetReadDeadline(time.Time{})
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.stream.Read(buf); err != nil {
			return
		}
	}
}

// count reads frames until n payloads have come.
func count(c *client, n int) int {
	_ = c.stream.SetReadDeadline(time.Time{})
	buf := make([]byte, 2<<20)
	end, got := 0, 0
	for got < n {
		k, err := c.stream.Read(buf[end:])
		if err != nil {
			return got
		}
		end += k
		rest := buf[:end]
		for len(rest) >= 4 {
			size := 4 + int(binary.BigEndian.Uint32(rest))
			if len(rest) < size {
				break
			}
			f, after, err := wire.Next(rest, wire.MaxFrame)
			if err != nil {
				return -1
			}
			got += f.Count
			rest = after
		}
		end = copy(buf, rest)
	}
	return got
}

// cpu is the processor time of this process, which other load on the machine disturbs less than the clock.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
