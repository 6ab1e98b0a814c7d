using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Bench.Qga;

/// <summary>How soon an agent that is started in a guest answers: a request waits in its virtio port.</summary>
internal static class GuestStarts
{
    private const string QemuGa = "/usr/sbin/qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run";
    private const string Ours = "/usr/sbin/channel-agent run";

    /// <summary>Milliseconds from the shell's line to the reply, alternating; the first of each, which the emulator translates, is left out.</summary>
    public static async Task MeasureAsync(int rounds, Samples theirs, Samples ours)
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-bench-");
        var path = Path.Combine(folder.FullName, "qga.sock");
        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = ".cache/guest/vmlinuz",
            Initrd = ".cache/guest/initrd-qga",
            MemoryMiB = 192,
            Append = "channel.agent=qemu-ga",
            Arguments = ["-chardev", $"socket,id=qga,path={path},server=on,wait=off", "-device", "virtserialport,bus=vs0.0,nr=2,chardev=qga,name=org.qemu.guest_agent.0"],
        });
        using var console = Connect(guest.ConsoleSocket);
        using var port = Connect(path);
        WaitFor(console, "GUEST-READY");
        Run(console, "touch /tmp/no-agent; killall qemu-ga");
        for (var round = -1; round < rounds; round++)
        {
            foreach (var (command, samples) in new[] { (QemuGa, theirs), (Ours, ours) })
            {
                // The kernel gives the port back a moment after its holder has gone.
                await Task.Delay(1000);
                var id = Random.Shared.Next();
                port.Send([0xFF, .. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                    $"{{\"execute\":\"guest-sync\",\"arguments\":{{\"id\":{id}}}}}\n"))]);
                var start = Stopwatch.GetTimestamp();
                console.Send(Encoding.ASCII.GetBytes($"{command} >/dev/null 2>&1 &\n"));
                WaitFor(port, string.Create(CultureInfo.InvariantCulture, $"{id}}}"));
                if (round >= 0)
                {
                    samples.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }

                Run(console, "killall -9 qemu-ga channel-agent");
            }
        }

        folder.Delete(recursive: true);
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 120_000 };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static void Run(Socket console, string command)
    {
        var mark = Random.Shared.Next().ToString(CultureInfo.InvariantCulture);
        console.Send(Encoding.ASCII.GetBytes($"{command}; echo \"\"M\"\"{mark}\n"));
        WaitFor(console, $"M{mark}");
    }

    private static void WaitFor(Socket socket, string text)
    {
        var seen = new StringBuilder();
        var buffer = new byte[4096];
        while (!seen.ToString().Contains(text, StringComparison.Ordinal))
        {
            seen.Append(Encoding.Latin1.GetString(buffer, 0, socket.Receive(buffer)));
        }
    }
}
