using System.Reflection;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Qga;
using ChannelSdk.Host.Workers;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Every option of every options record with null, empty, negative and huge values. New options are in it by themselves.</summary>
public class OptionRangeTests
{
    private static readonly NullabilityInfoContext s_nullability = new();

    /// <summary>A right value of each record, and its first use.</summary>
    private static readonly Dictionary<Type, (object Right, Func<object, Task> Use)> s_records = new()
    {
        [typeof(InstanceOptions)] = (new InstanceOptions(), o => Sync(() => ((InstanceOptions)o).Validate())),
        [typeof(ChannelHostOptions)] = (new ChannelHostOptions(), o => Sync(() => ((ChannelHostOptions)o).Validate())),
        [typeof(ChannelOptions)] = (new ChannelOptions(), o => Sync(() => ((ChannelOptions)o).Validate())),
        [typeof(SessionOptions)] = (new SessionOptions(), o => Sync(() => ((SessionOptions)o).Validate())),
        [typeof(WorkerOptions)] = (new WorkerOptions(), o => Sync(() => ((WorkerOptions)o).Validate())),
        [typeof(ExecOptions)] = (new ExecOptions { Command = ["true"] }, o => OnInstance(vm => vm.Exec.StartAsync((ExecOptions)o))),
        [typeof(FileCopyOptions)] = (new FileCopyOptions(), o => OnInstance(vm => vm.Files.CopyInAsync("/nonexistent/x", "/x", (FileCopyOptions)o))),
        [typeof(QgaClientOptions)] = (new QgaClientOptions(), async o => await new QgaClient(TransportEndpoints.Create("unix:///nonexistent/x"), (QgaClientOptions)o).DisposeAsync()),
        [typeof(QemuOptions)] = (new QemuOptions { Program = "/nonexistent/qemu" }, async o => await (await QemuGuest.StartAsync((QemuOptions)o)).DisposeAsync()),
        [typeof(QemuLauncherOptions)] = (new QemuLauncherOptions { Kernel = "k", Initrd = "i" }, o => Sync(() => _ = new QemuLauncher((QemuLauncherOptions)o))),
        [typeof(QemuMachineOptions)] = (new QemuMachineOptions(), o => Sync(() => _ = new QemuMachineLauncher((QemuMachineOptions)o))),
        [typeof(XlOptions)] = (new XlOptions { Name = "vm", Kernel = "k", Initrd = "i", Folder = "/nonexistent/x" }, async o => await (await XlGuest.StartAsync((XlOptions)o)).DisposeAsync()),
        [typeof(XlMachineOptions)] = (new XlMachineOptions(), o => Sync(() => _ = new XlMachineLauncher((XlMachineOptions)o))),
        [typeof(XlLauncherOptions)] = (new XlLauncherOptions { Kernel = "k", Initrd = "i" }, o => Sync(() => _ = new XlLauncher((XlLauncherOptions)o))),
        [typeof(InstallerOptions)] = (new InstallerOptions { Folder = "/proc/none/x", Records = new InstanceRecordStore(Directory.CreateTempSubdirectory("channelsdk-test-").FullName), Definitions = new DefinitionCatalog("/nonexistent/x") }, o => Sync(() => _ = new Installer((InstallerOptions)o))),
        [typeof(SnapshotCopyOptions)] = (new SnapshotCopyOptions(), o => new InstanceSnapshots(
            "/proc/none/x", new InstanceRecordStore(Directory.CreateTempSubdirectory("channelsdk-test-").FullName), new QemuMachineLauncher(new QemuMachineOptions()), null).RestoreAsync("vm1", "s1", (SnapshotCopyOptions)o)),
        [typeof(MetadataServerOptions)] = (new MetadataServerOptions(), o => Sync(() => ((MetadataServerOptions)o).Validate())),
    };

    public static TheoryData<string> Records => [.. s_records.Keys.Select(type => type.Name)];

    [Fact]
    public void Every_options_record_is_in_these_tests() => Assert.Equal(
        new[] { typeof(InstanceOptions), typeof(ChannelOptions), typeof(SessionOptions), typeof(MetadataServerOptions), typeof(VsockDeviceOptions), typeof(InstallerOptions), typeof(QemuOptions) }
            .SelectMany(type => type.Assembly.GetExportedTypes()).Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal) && type.GetMethod("<Clone>$") is not null && type.IsClass)
            .Select(type => type.Name).Order(),
        // Of the transports; their own tests have it.
        s_records.Keys.Append(typeof(VsockDeviceOptions)).Select(type => type.Name).Order());

    [Theory]
    [MemberData(nameof(Records))]
    public async Task A_value_that_cannot_be_is_refused_at_once_with_the_options_name(string record)
    {
        var (right, use) = s_records.Single(r => r.Key.Name == record).Value;
        var complaints = new List<string>();
        foreach (var property in right.GetType().GetProperties().Where(p => p.CanWrite))
        {
            foreach (var value in Wrong(property))
            {
                var options = right.GetType().GetMethod("<Clone>$")!.Invoke(right, null)!;
                property.SetValue(options, value);
                var error = await Record.ExceptionAsync(() => use(options).WaitAsync(TimeSpan.FromSeconds(10)));
                if (error is not (ArgumentException or ChannelException { Code: ChannelError.BadConfiguration }) || !error.Message.Contains(property.Name, StringComparison.Ordinal))
                {
                    complaints.Add($"{property.Name} = {value ?? "null"}: {error?.GetType().Name ?? "nothing"}, {error?.Message}");
                }
            }
        }

        Assert.Equal("", string.Join('\n', complaints));
    }

    private static List<object?> Wrong(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        if (type == typeof(int))
        {
            return [int.MinValue, -1, int.MaxValue];
        }

        if (type == typeof(long))
        {
            return [long.MinValue, -1L, long.MaxValue];
        }

        if (type == typeof(double))
        {
            return [double.NaN, double.NegativeInfinity, double.PositiveInfinity, -1.0];
        }

        if (type == typeof(TimeSpan))
        {
            return [TimeSpan.MinValue, TimeSpan.FromTicks(-1), TimeSpan.MaxValue];
        }

        if (type.IsEnum)
        {
            return [Enum.ToObject(type, 99)];
        }

        List<object?> wrong = !type.IsValueType && s_nullability.Create(property).WriteState == NullabilityState.NotNull ? [null] : [];
        if (type == typeof(string))
        {
            wrong.Add("x\0y");
        }
        else if (type == typeof(IReadOnlyList<string>))
        {
            wrong.Add(new string?[] { null });
        }
        else if (type == typeof(IReadOnlyDictionary<string, string>))
        {
            wrong.Add(new Dictionary<string, string> { ["x"] = null! });
            wrong.Add(new Dictionary<string, string> { [""] = "x" });
        }

        return wrong;
    }

    private static Task Sync(Action action)
    {
        action();
        return Task.CompletedTask;
    }

    private static async Task OnInstance(Func<Instance, Task> use)
    {
        await using var host = new ChannelHost();
        await use(host.Attach("vm1", "unix:///nonexistent/x"));
    }
}
