using System.Net.Sockets;
using System.Text;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// This machine as it is for channelctl after packages of OS definitions for Ganeti were installed on it: in mount namespaces, where
/// their files lie over its own. Its administrator confines the definitions. A mirror of Debian is on it.
/// </summary>
internal sealed class GanetiHost : IDisposable
{
    private const UnixFileMode Public = (UnixFileMode)0b111_101_101;
    private const string Mirror = "mirror.example.org";

    private const string InNamespace = """
        mount -t overlay -o "lowerdir=$0/etc:/etc" none /etc
        mount -t overlay -o "lowerdir=$0/usr/share:/usr/share" none /usr/share
        exec "$@"
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-ganeti-");
    private readonly string _mirror;
    private readonly HeadServer _server;
    private readonly string _appliance;

    private GanetiHost(string mirror, string appliance)
    {
        (_mirror, _appliance) = (mirror, appliance);
        _server = new HeadServer(AnswerAsync);
    }

    private string Installed => At("installed");

    /// <summary>Fetches the packages and builds the appliance, if they are not there yet, and unpacks the packages.</summary>
    public static async Task<GanetiHost> CreateAsync()
    {
        var root = SavedGuest.FindRoot();
        await DiskGuest.RunAsync(TimeSpan.FromMinutes(10), Path.Combine(root, "scripts/build-test-mirror.sh"));
        var made = Path.Combine(root, ".cache/test-mirror");
        var host = new GanetiHost(Path.Combine(made, "debian"), await DebianAppliance.FolderAsync());
        foreach (var package in (string[])["ganeti-os-noop", "ganeti-instance-debootstrap"])
        {
            await DiskGuest.RunAsync("dpkg-deb", "-x", $"{made}/{package}.deb", host.Installed);
        }

        host.Write("etc/hosts", $"127.0.0.1 localhost {Mirror}\n");
        host.Write("etc/channelsdk/host.toml", $"""
            [install]
            confine = ["all"]
            confine_files = ["/etc/default/ganeti-instance-debootstrap", "/etc/ganeti/instance-debootstrap"]
            mirrors = ["http://{Mirror}:{host._server.Port}/"]
            mirror_networks = ["127.0.0.1/32"]
            """);
        // What debootstrap is told besides goes by the one variable that is not quoted there.
        host.Write("etc/ganeti/instance-debootstrap/variants/minimal.conf", $"""
            MIRROR="http://{Mirror}:{host._server.Port}"
            SUITE="bookworm"
            COMPONENTS="main --variant=minbase --no-check-gpg"
            EXTRA_PKGS="systemd-sysv,udev,ifupdown"
            GENERATE_CACHE="no"
            """);
        host.Write("etc/ganeti/instance-debootstrap/variants.list", "default\nminimal\n");
        return host;
    }

    public string At(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Makes the record of an instance.</summary>
    public Task SetAsync(string instance, string definition) =>
        DiskGuest.RunAsync(Tool, "instance", "set", instance, "--state", At("state"), "--mode", "install", "--os", definition);

    /// <summary>What the record of an instance says.</summary>
    public Task<string> ShowAsync(string instance) => DiskGuest.RunAsync(Tool, "instance", "show", instance, "--state", At("state"));

    /// <summary>Runs an operation to its good end; what was told.</summary>
    public Task<string> InstallAsync(string action, string instance, string disk, params string[] more) => DiskGuest.RunAsync(TimeSpan.FromMinutes(15), "unshare",
    [
        "--mount", "sh", "-ec", InNamespace, Installed, Tool, "install", action, instance, "--state", At("state"),
        "--definitions", "/usr/share/ganeti/os", "--appliance", _appliance, "--disk", disk, .. more,
    ]);

    /// <summary>A blank disk.</summary>
    public string NewDisk(string name, long bytes)
    {
        using var file = File.Create(At(name));
        file.SetLength(bytes);
        return At(name);
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Delete(recursive: true);
    }

    private static string Tool => Path.Combine(AppContext.BaseDirectory, "channelctl");

    private void Write(string name, string content)
    {
        var path = Path.Combine(Installed, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, Public);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, (UnixFileMode)0b110_100_100);
    }

    private async Task AnswerAsync(string head, NetworkStream stream)
    {
        var path = Path.GetFullPath(Path.Combine(_mirror, Uri.UnescapeDataString(head.Split(' ')[1]).TrimStart('/')));
        if (!path.StartsWith(_mirror, StringComparison.Ordinal) || !File.Exists(path))
        {
            await stream.WriteAsync("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
            return;
        }

        using var file = File.OpenRead(path);
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {file.Length}\r\nConnection: close\r\n\r\n"));
        await file.CopyToAsync(stream);
    }
}
