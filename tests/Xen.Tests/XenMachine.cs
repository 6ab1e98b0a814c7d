using System.Diagnostics;

namespace ChannelSdk.Xen.Tests;

/// <summary>
/// A machine with Xen under QEMU's emulation. It boots once, runs all tests of tests/InXen in dom0 and switches itself off; what
/// they said is kept for the tests here. CHANNELSDK_XEN_CLASSES (names, with spaces) makes it run some classes only.
/// </summary>
public sealed class XenMachine : IAsyncLifetime
{
    private const int LimitSeconds = 1200;
    private const int KeptOfLog = 3000;

    private readonly string _root = FindRoot();
    private readonly string _share = Directory.CreateTempSubdirectory("channelsdk-xen-").FullName;

    /// <summary>What the tests in dom0 printed.</summary>
    public IReadOnlyList<string> Lines { get; private set; } = [];

    /// <summary>The ends of the consoles and of Xen's log.</summary>
    public string Logs { get; private set; } = "";

    public async Task InitializeAsync()
    {
        var (built, words) = await RunAsync(Path.Combine(_root, "scripts/build-xen.sh"), []);
        Assert.True(built == 0, $"scripts/build-xen.sh ended with code {built}: {words}");
        (built, words) = await RunAsync(Path.Combine(_root, "scripts/build-worker.sh"), []);
        Assert.True(built == 0, $"scripts/build-worker.sh ended with code {built}: {words}");
        // It is started from memory there, by users who see nothing of this machine's folders.
        File.Copy(Path.Combine(_root, "artifacts/host/channel-worker"), Path.Combine(_share, "channel-worker"));
        var classes = Environment.GetEnvironmentVariable("CHANNELSDK_XEN_CLASSES") ?? string.Join(' ', XenTests.Classes);
        await File.WriteAllTextAsync(Path.Combine(_share, "run"),
            $"export DOTNET_TieredPGO=0 DOTNET_EnableWriteXorExecute=0 DOTNET_EnableDiagnostics=0 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1\ncp /share/channel-worker /tmp/ && chmod 755 /tmp/channel-worker\nexec /dotnet/dotnet /app/ChannelSdk.InXen.dll {classes}\n");
        var (code, said) = await RunAsync("timeout", ["--kill-after=5", $"{LimitSeconds}", "qemu-system-x86_64", .. Arguments()]);
        Logs = $"QEMU ended with code {code} {said}\n{string.Join('\n', Directory.EnumerateFiles(_share, "*.log").Order().Select(Tail))}";
        var output = Path.Combine(_share, "output");
        Lines = File.Exists(output) ? await File.ReadAllLinesAsync(output) : [];
        var reports = Directory.CreateDirectory(Path.Combine(_root, "artifacts")).FullName;
        await File.WriteAllLinesAsync(Path.Combine(reports, "xen-report.txt"), Lines);
    }

    public Task DisposeAsync()
    {
        Directory.Delete(_share, recursive: true);
        return Task.CompletedTask;
    }

    private string[] Arguments()
    {
        var images = Path.Combine(_root, ".cache/xen/images");
        return
        [
            // QEMU 7.2 gets SMAP wrong for a PV kernel's return to itself.
            "-accel", "tcg", "-cpu", "max,-smap,-rdtscp", "-smp", "2", "-m", "2560",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none", "-monitor", "none",
            "-serial", $"file:{_share}/console.log",
            "-virtfs", $"local,path={_share},mount_tag=share,security_model=none",
            "-virtfs", $"local,path={images},mount_tag=files,security_model=none,readonly=on",
            "-virtfs", $"local,path={Path.Combine(_root, "tests/InXen/bin/Release/net10.0")},mount_tag=app,security_model=none,readonly=on",
            "-drive", $"file={images}/runtime.img,if=none,id=runtime,format=raw,readonly=on", "-device", "virtio-blk-pci,drive=runtime",
            "-kernel", $"{images}/xen",
            // One processor for dom0: the other is for the domains. No AVX:
            // with it frames of domains arrive with wrong checksums, without it none does (QEMU 7.2).
            "-append", "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning dom0_mem=1536M,max:1536M dom0_max_vcpus=1 xsave=0",
            "-initrd", $"{images}/dom0-kernel console=hvc0 quiet panic=-1,{images}/dom0-initrd",
        ];
    }

    private static string Tail(string file)
    {
        var text = File.ReadAllText(file);
        return $"--- {Path.GetFileName(file)}\n{text[Math.Max(0, text.Length - KeptOfLog)..]}";
    }

    private async Task<(int Code, string Words)> RunAsync(string program, IEnumerable<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = _root, RedirectStandardError = true, RedirectStandardOutput = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ChannelSdk.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests run outside of the repository");
        }

        return folder;
    }
}
