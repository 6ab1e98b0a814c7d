using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.Cli.Commands;

/// <summary>
/// The folder of an appliance: vmlinuz, initrd and, if it has one, its disk as root.squashfs (only read), disk.img (raw) or
/// disk.qcow2. An appliance.toml says in <c>[machine]</c> how much <c>memory</c> it needs at least, in MiB.
/// </summary>
public static class ApplianceFolder
{
    private const string SettingsFile = "appliance.toml";

    private static readonly (string Name, string Format, bool IsReadOnly)[] s_disks = [("root.squashfs", "raw", true), ("disk.img", "raw", false), ("disk.qcow2", "qcow2", false)];

    private static readonly TomlSettings<QemuLauncherOptions> s_settings = new(
    [
        new("machine", [TomlKey.Number<QemuLauncherOptions>("memory", 1, 16 << 20, static (options, mebibytes) => options with { MemoryMiB = Math.Max(options.MemoryMiB, mebibytes) })]),
    ]);

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is no such folder.</exception>
    public static QemuLauncherOptions Options(string folder)
    {
        string Find(string name) => File.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name)
            : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{folder} is no appliance: it has no {name}; 'channelctl appliance build' makes one");
        var disk = s_disks.FirstOrDefault(d => File.Exists(Path.Combine(folder, d.Name)));
        var options = new QemuLauncherOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Find("vmlinuz"),
            Initrd = Find("initrd"),
            Disk = disk.Name is null ? null : Path.Combine(folder, disk.Name),
            DiskFormat = disk.Format ?? "raw",
            IsDiskReadOnly = disk.IsReadOnly,
        };
        var settings = Path.Combine(folder, SettingsFile);
        return File.Exists(settings) ? s_settings.Read(Read(settings), settings, options) : options;
    }

    private static byte[] Read(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"cannot read {file}: {FileFault.Describe(e)}", e);
        }
    }
}
