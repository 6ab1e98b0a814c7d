using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using ChannelSdk.Host;
using ChannelSdk.Metadata.Http;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Metadata.Tests;

/// <summary>A network namespace with the metadata address on its loopback, a server's socket in it, and nothing else.</summary>
public sealed partial class ClientNamespace : IAsyncLifetime
{
    private const int NetworkNamespace = 0x40000000;
    private readonly string _name = $"md-{Environment.ProcessId}-{Guid.NewGuid():N}"[..20];
    private ServerRig _rig = null!;

    public MetadataInstance Instance => _rig.Vm1;

    public async Task InitializeAsync()
    {
        _rig = await ServerRig.StartAsync();
        await MustAsync("ip", "netns", "add", _name);
        await MustAsync("ip", "-n", _name, "link", "set", "lo", "up");
        await MustAsync("ip", "-n", _name, "address", "add", "169.254.169.254/32", "dev", "lo");
        _rig.Vm1.AddListener(SocketInside());
    }

    public async Task DisposeAsync()
    {
        await MustAsync("ip", "netns", "delete", _name);
        await _rig.DisposeAsync();
    }

    /// <summary>Runs a client inside; its output and errors together.</summary>
    public Task<(int Code, string Text)> RunAsync(params string[] command) => ExecuteAsync("ip", ["netns", "exec", _name, .. command]);

    private async Task MustAsync(string file, params string[] arguments)
    {
        var (code, text) = await ExecuteAsync(file, arguments);
        Assert.True(code == 0, $"{file} {string.Join(' ', arguments)}: {text}");
    }

    private async Task<(int Code, string Text)> ExecuteAsync(string file, string[] arguments)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        // The packaged clients with the packaged interpreters, and no settings of the user that runs the test.
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["HOME"] = Path.GetDirectoryName(_rig.SocketPath);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output + await error);
    }

    // A socket belongs to the namespace that its thread is in when it is made; the thread is used for nothing else.
    private Socket SocketInside()
    {
        Socket? socket = null;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                using var handle = File.OpenHandle($"/run/netns/{_name}");
                if (SetNamespace(handle, NetworkNamespace) != 0)
                {
                    throw new IOException(Marshal.GetLastPInvokeErrorMessage());
                }

                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Parse("169.254.169.254"), 80));
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? socket! : throw failure;
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle handle, int type);
}
