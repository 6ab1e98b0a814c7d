using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.InXen;

/// <summary>The test guest as a domain, and the way to its agent.</summary>
internal sealed class TestDomain : IAsyncDisposable
{
    /// <summary>Where scripts/build-xen.sh's images are in dom0.</summary>
    public const string Images = "/images";

    /// <summary>What a kernel may leave out, as each instruction of it is emulated.</summary>
    public const string Append = "mitigations=off cryptomgr.notests";

    private const int BootTries = 3;

    private readonly ChannelHost _host = new();

    private TestDomain(XlGuest guest, InstanceOptions? options)
    {
        Guest = guest;
        Instance = _host.Attach(guest.Name, guest.NewEndpoint(), options);
    }

    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(120)).Token;

    /// <summary>
    /// For emulation: Xen would take over RDTSC of PVH domains, which QEMU's SVM reports in a way that it does not understand.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } = new Dictionary<string, string> { ["tsc_mode"] = "native" };

    public XlGuest Guest { get; }

    public Instance Instance { get; }

    /// <summary>What a record of an instance says of the test guest's kernel.</summary>
    public static IReadOnlyDictionary<string, string> HypervisorParameters { get; } = new Dictionary<string, string>
    {
        ["kernel_path"] = $"{Images}/domu-kernel",
        ["initrd_path"] = $"{Images}/domu-initrd",
        ["kernel_args"] = Append,
    };

    /// <summary>The name of a test's domain of a type.</summary>
    public static string NameOf(string purpose, XenDomainType type) => $"{purpose}-{(type == XenDomainType.Pv ? "pv" : "pvh")}";

    /// <summary>Makes one and waits until its agent answers.</summary>
    public static async Task<TestDomain> StartAsync(string purpose, XenDomainType type, InstanceOptions? options = null, bool restarts = false)
    {
        for (var tries = 1; ; tries++)
        {
            var guest = await XlGuest.StartAsync(new XlOptions
            {
                Name = NameOf(purpose, type),
                Kernel = $"{Images}/domu-kernel",
                Initrd = $"{Images}/domu-initrd",
                Append = Append,
                MemoryMiB = 160,
                Type = type,
                RestartOnReboot = restarts,
                Settings = Settings,
                Folder = Path.GetTempPath(),
            }, Soon);
            var domain = new TestDomain(guest, options);
            try
            {
                if (await Task.WhenAny(domain.Instance.WaitReadyAsync(Soon), guest.Exited) is var first && first != guest.Exited)
                {
                    await first;
                    return domain;
                }

                // QEMU 7.2 now and then fails to deliver an event to a kernel that returns from a hypercall: Xen's log has a triple fault.
                Console.WriteLine($"REPORT {guest.Name} ended while it booted, in try {tries}");
                Assert.True(tries < BootTries, $"{guest.Name} ended while it booted, {tries} times");
            }
            catch
            {
                await domain.DisposeAsync();
                throw;
            }

            await domain.DisposeAsync();
        }
    }

    /// <summary>Runs a line of shell in the domain; what it wrote to its output. Fails on an exit code other than 0.</summary>
    public async Task<string> ShAsync(string line)
    {
        var result = await Instance.Exec.RunAsync(new ExecOptions { Command = ["/bin/sh", "-c", line] }, cancellationToken: Soon);
        var (output, error) = (Encoding.UTF8.GetString(result.Output.Span), Encoding.UTF8.GetString(result.Error.Span));
        Assert.True(result.Exit.ShellCode == 0, $"{line}: code {result.Exit.ShellCode}: {output}{error}");
        return output.TrimEnd();
    }

    /// <summary>Starts vchan-peer in the domain, and waits for its first line.</summary>
    public async Task<(ExecSession Session, StreamReader Output)> StartPeerAsync(string firstLine, params string[] arguments)
    {
        var session = await Instance.Exec.StartAsync(new ExecOptions { Command = ["/usr/bin/vchan-peer", .. arguments] }, Soon);
        var output = new StreamReader(session.StandardOutput);
        Assert.Equal(firstLine, await output.ReadLineAsync(Soon));
        return (session, output);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await Guest.DisposeAsync();
    }
}
