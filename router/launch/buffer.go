package launch

import "syscall"

// wantBuffer is the receive buffer that quic-go asks for: below it bursts are lost in the kernel.
const wantBuffer = 7 << 20

// warnOfBuffer says what to do about a UDP receive buffer that the system keeps too small. quic-go has tried to raise it by now.
func (d *daemon) warnOfBuffer() {
	c, ok := d.listeners.udp.(syscall.Conn)
	if !ok {
		return
	}
	if size, ok := receiveBuffer(c); ok && size < wantBuffer {
		d.log.Warn("the UDP receive buffer is small: bursts will be lost", "bytes", size, "wanted", wantBuffer,
			"remedy", "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000")
	}
}
