using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The machine that a record describes, and what an instance that installs itself is told.</summary>
public sealed class MachinePlanTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly string _kernel;
    private readonly string _image;

    public MachinePlanTests() => (_kernel, _image) = (_folder.Write("vmlinuz", ""), _folder.Write("image.iso", ""));

    public void Dispose() => _folder.Dispose();

    private InstanceRecord Record => new() { Name = "vm1", Disks = [new TargetDisk(_folder.Write("disk.img", ""))] };

    private MachineRequest Plan(InstanceRecord record) => MachinePlan.Of(record, _folder.Path, static _ => { });

    private static Dictionary<string, string> Map(params (string Name, string Value)[] pairs) => pairs.ToDictionary(static p => p.Name, static p => p.Value);

    [Theory]
    [InlineData(ExecutionMode.Run, false, false)]
    [InlineData(ExecutionMode.Run, true, true)]
    [InlineData(ExecutionMode.SelfInstall, false, true)]
    public void A_machine_has_a_channel_as_its_mode_and_record_say(ExecutionMode mode, bool communication, bool hasChannel) =>
        Assert.Equal(hasChannel, Plan(Record with { Mode = mode, Communication = communication }).HasChannel);

    [Fact]
    public void Only_an_instance_that_installs_itself_starts_with_its_own_set()
    {
        var record = Record with
        {
            OsImage = _image,
            HypervisorParameters = Map(("kernel_path", _kernel), ("kernel_args", "quiet"), ("disk_type", "ide"), ("nic_type", "e1000")),
            SelfInstall = Map(("kernel_path", ""), ("disk_type", "scsi")),
        };
        var run = Plan(record);
        Assert.Equal((_kernel, null, DiskBus.Ide, NicModel.E1000), (run.Boot.Kernel, run.Boot.Medium, run.Hardware.DiskBus, run.Hardware.NicModel));
        var install = Plan(record with { Mode = ExecutionMode.SelfInstall });
        Assert.Equal((null, _image, DiskBus.Scsi, NicModel.E1000), (install.Boot.Kernel, install.Boot.Medium, install.Hardware.DiskBus, install.Hardware.NicModel));
        Assert.Equal([BootDevice.Medium, BootDevice.Disk], install.Boot.Order);
    }

    [Fact]
    public void Boot_hardware_and_network_are_as_the_parameters_say()
    {
        var plan = Plan(Record with
        {
            HypervisorParameters = Map(("kernel_path", _kernel), ("initrd_path", _kernel), ("root_path", "/dev/vda1"), ("kernel_args", "single"), ("cdrom_image_path", _image), ("boot_order", "network,cdrom,disk")),
            BackendParameters = Map(("maxmem", "2048"), ("vcpus", "4")),
            Nics = [new InstanceNic("aa:00:00:12:34:56") { Link = "br0" }],
        });
        Assert.Equal((_kernel, _kernel, "root=/dev/vda1 ro single", _image), (plan.Boot.Kernel, plan.Boot.Initrd, plan.Boot.Append, plan.Boot.Medium));
        Assert.Equal([BootDevice.Network, BootDevice.Medium, BootDevice.Disk], plan.Boot.Order);
        Assert.Equal((2048, 4), (plan.Hardware.MemoryMiB, plan.Hardware.Cpus));
        Assert.Equal([new MachineNic("aa:00:00:12:34:56", "br0")], plan.Hardware.Nics);
    }

    public static TheoryData<InstanceRecord, string> Wrong()
    {
        var record = new InstanceRecord { Name = "vm1", HypervisorParameters = Map(("kernel_path", "/etc/hostname")) };
        var nic = new InstanceNic("aa:00:00:12:34:56");
        return new()
        {
            { record with { HypervisorParameters = Map() }, "it has nothing to boot from; give it a disk" },
            { record with { Disks = [new TargetDisk("/nonexistent/x")] }, "it needs /nonexistent/x, which is not there" },
            { record with { HypervisorParameters = Map(("kernel_path", "vmlinuz")) }, "its kernel_path is vmlinuz; it takes an absolute path" },
            { record with { HypervisorParameters = Map(("kernel_path", "/etc/hostname"), ("boot_order", "disk,floppy")) }, "'floppy' in its boot_order is no place to boot from" },
            { record with { HypervisorParameters = Map(("kernel_path", "/etc/hostname"), ("disk_type", "pflash")) }, "disk_type=paravirtual, scsi or ide" },
            { record with { HypervisorParameters = Map(("kernel_path", "/etc/hostname"), ("nic_type", "pcnet")) }, "nic_type=paravirtual, e1000 or rtl8139" },
            { record with { Nics = [nic] }, "its network interface 0 is joined to nothing; a machine's is a port of a bridge" },
            { record with { Nics = [nic with { Link = "br0", Mode = NicMode.Routed }] }, "is in mode routed" },
            { record with { Mode = ExecutionMode.SelfInstall, SelfInstall = Map(("kernel", "/x")) }, "it is to be started with 'kernel', which is none of kernel_path" },
            { record with { Mode = ExecutionMode.SelfInstall, OsImage = "/nonexistent/x.iso" }, "it needs /nonexistent/x.iso, which is not there" },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_a_machine_cannot_be_is_told_before_it_is_started(InstanceRecord record, string why)
    {
        var error = Assert.Throws<ChannelException>(() => Plan(record));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains("vm1 cannot be started: ", error.Message);
        Assert.Contains(why, error.Message);
    }

    [Fact]
    public void An_instance_is_told_its_record_on_its_own_document_and_how_cloud_init_tells_its_end()
    {
        var record = Record.With("color", OsParameter.Public("blue")).With("password", OsParameter.Secret(null)) with { PersonalizationUrl = "https://example.org/vm1.tgz" };
        var metadata = SelfInstallMetadata.Of(record, Secrets("password", "MARKED"));
        Assert.Equal(("vm1", "blue", "MARKED"), (metadata.Hostname, metadata.Os.Parameters["color"].Reveal(), metadata.Os.Parameters["password"].Reveal()));
        Assert.Equal("https://example.org/vm1.tgz", metadata.Meta[SelfInstall.PackageKey]);
        Assert.Contains("phone_home", metadata.VendorData);
        Assert.NotEqual(metadata.InstanceId, SelfInstallMetadata.Of(record, Secrets("password", "MARKED")).InstanceId);
        var file = _folder.Write("metadata.yaml", "instance_id: i-7\nhostname: other\nvendor_data: none\nuser_data: mine\n");
        var own = SelfInstallMetadata.Of(record with { SelfInstall = Map(("metadata", file)) }, Secrets("password", "MARKED"));
        Assert.Equal(("i-7", "other", "none", "blue"), (own.InstanceId, own.Hostname, own.VendorData, own.Os.Parameters["color"].Reveal()));
    }

    [Fact]
    public void A_secret_without_a_value_and_a_document_that_cannot_be_read_are_told()
    {
        var record = Record.With("password", OsParameter.Secret(null));
        Assert.Contains("its secret parameter password has no value", Assert.Throws<ChannelException>(() => SelfInstallMetadata.Of(record, null)).Message);
        Assert.Contains("x is none of its secret parameters", Assert.Throws<ChannelException>(() => SelfInstallMetadata.Of(record, Secrets("x", "y"))).Message);
        Assert.Contains("its metadata /nonexistent/x cannot be read", Assert.Throws<ChannelException>(() => SelfInstallMetadata.Of(Record with { SelfInstall = Map(("metadata", "/nonexistent/x")) }, null)).Message);
    }

    private static SecretParameters Secrets(string name, string value)
    {
        var result = new SecretParameters();
        result.Add(name, SecretValue.CopyOf(System.Text.Encoding.UTF8.GetBytes(value)));
        return result;
    }
}
