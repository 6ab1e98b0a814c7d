using System.Diagnostics;
using System.Globalization;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>A network of its own for guests, in a namespace: a bridge, a tap for each of them, and dnsmasq as the DHCP server.</summary>
internal sealed class Lan : IAsyncDisposable
{
    private readonly string _name = $"csdk-lan-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}";
    private readonly string _folder;
    private static int s_count;
    private Process? _dhcp;

    private Lan(string folder) => _folder = folder;

    /// <summary>A program by which QEMU starts in the namespace.</summary>
    public string Qemu => Path.Combine(_folder, "qemu-in-lan");

    public static async Task<Lan> SetUpAsync(string folder)
    {
        var lan = new Lan(folder);
        await DiskGuest.RunAsync("ip", "netns", "add", lan._name);
        await lan.RunAsync("ip", "link", "add", "br0", "type", "bridge");
        await lan.RunAsync("ip", "addr", "add", "10.77.0.1/24", "dev", "br0");
        await lan.RunAsync("ip", "link", "set", "br0", "up");
        await lan.RunAsync("ip", "link", "set", "lo", "up");
        lan._dhcp = Process.Start("ip",
        [
            "netns", "exec", lan._name, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--bind-interfaces", "--user=root", "--no-ping",
            "--dhcp-authoritative", "--dhcp-range=10.77.0.10,10.77.0.99,1h", $"--dhcp-leasefile={Path.Combine(folder, "leases")}", $"--pid-file={Path.Combine(folder, "dnsmasq.pid")}",
        ]);
        await File.WriteAllTextAsync(lan.Qemu, $"#!/bin/sh\nexec ip netns exec {lan._name} qemu-system-x86_64 \"$@\"\n");
        File.SetUnixFileMode(lan.Qemu, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return lan;
    }

    /// <summary>Makes a tap on the bridge; QEMU's arguments for a NIC on it, which all copies of a running guest see with the same address.</summary>
    /// <param name="number">Unique on this network.</param>
    /// <param name="address">The last byte of its hardware address.</param>
    public async Task<string[]> NicAsync(int number, byte address = 1)
    {
        var tap = string.Create(CultureInfo.InvariantCulture, $"tap{number}");
        await RunAsync("ip", "tuntap", "add", "dev", tap, "mode", "tap");
        await RunAsync("ip", "link", "set", tap, "master", "br0", "up");
        return ["-netdev", $"tap,id=lan,ifname={tap},script=no,downscript=no", "-device", $"virtio-net-pci,netdev=lan,mac=52:54:00:77:00:{address:x2},addr=08,romfile="];
    }

    /// <summary>The key that the SSH server at an address shows; null while none answers.</summary>
    public async Task<string?> HostKeyAsync(string address)
    {
        var lines = await RunAsync("sh", "-c", $"ssh-keyscan -T 2 -t ed25519 {address} 2>/dev/null || true");
        return lines.Split(' ') is [_, "ssh-ed25519", var key] ? key.Trim() : null;
    }

    /// <summary>Runs a program in the namespace; its output.</summary>
    public Task<string> RunAsync(string program, params string[] arguments) => DiskGuest.RunAsync("ip", ["netns", "exec", _name, program, .. arguments]);

    public async ValueTask DisposeAsync()
    {
        if (_dhcp is not null)
        {
            _dhcp.Kill();
            await _dhcp.WaitForExitAsync();
            _dhcp.Dispose();
        }

        await DiskGuest.RunAsync("ip", "netns", "del", _name);
    }
}
