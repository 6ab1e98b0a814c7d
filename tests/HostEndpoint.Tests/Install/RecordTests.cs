using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

public sealed class RecordTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly InstanceRecordStore _store;

    public RecordTests() => _store = new InstanceRecordStore(_folder.At("records"));

    public void Dispose() => _folder.Dispose();

    private static InstanceRecord Sample => new InstanceRecord
    {
        Name = "vm1",
        Mode = ExecutionMode.SelfInstall,
        OsDefinition = "debian",
        PersonalizationUrl = "https://example.org/vm1.tar.gz",
        SelfInstall = new Dictionary<string, string> { ["boot"] = "cdrom", ["cdrom"] = "/srv/debian.iso" },
        Hypervisor = "xen-pvm",
        HypervisorParameters = new Dictionary<string, string> { ["kernel_path"] = "/boot/vmlinuz" },
        BackendParameters = new Dictionary<string, string> { ["maxmem"] = "1024" },
        Disks = [new TargetDisk("/dev/vg/vm1"), new TargetDisk("/srv/data.qcow2", "qcow2")],
        Nics = [new InstanceNic("aa:00:00:12:34:56") { Ip = "2001:db8::7", Mode = NicMode.OpenVSwitch, Link = "br0" }],
    }
        .With("hostname", OsParameter.Public("guest")).With("license", OsParameter.Private("MARKED-PRIVATE")).With("root_password", OsParameter.Secret(null));

    [Fact]
    public void A_record_comes_back_as_it_was_put()
    {
        _store.Put(Sample);
        var read = new InstanceRecordStore(_folder.At("records")).Get("vm1");
        Assert.Equal((ExecutionMode.SelfInstall, false, "debian", null, "https://example.org/vm1.tar.gz"), (read.Mode, read.Communication, read.OsDefinition, read.OsImage, read.PersonalizationUrl));
        Assert.Equal(Sample.Parameters, read.Parameters);
        Assert.Equal(Sample.SelfInstall, read.SelfInstall);
        Assert.Equal("xen-pvm", read.Hypervisor);
        Assert.Equal(Sample.HypervisorParameters, read.HypervisorParameters);
        Assert.Equal(Sample.BackendParameters, read.BackendParameters);
        Assert.Equal(Sample.Disks, read.Disks);
        Assert.Equal(Sample.Nics, read.Nics);
        Assert.Equal(["vm1"], _store.List());
    }

    [Fact]
    public void A_file_that_names_no_hypervisor_has_the_usual_one()
    {
        _folder.Write("records/vm1.json", "{\"mode\": \"install\"}");
        Assert.Equal(("kvm", ExecutionMode.Install), (_store.Get("vm1").Hypervisor, _store.Get("vm1").Mode));
    }

    [Fact]
    public void A_record_may_have_a_name_as_long_as_a_hosts()
    {
        var longest = string.Join('.', Enumerable.Repeat(new string('a', 62), 4)) + ".a";
        string[] names = [longest[..250], longest[..251], longest];
        Assert.Equal(253, longest.Length);
        foreach (var name in names)
        {
            _store.Put(Sample with { Name = name });
            Assert.Equal(name, _store.Get(name).Name);
        }

        // An editor's copy of a record is none.
        _folder.Write("records/vm1.json~", "");
        Assert.Equal(names, _store.List());
        Assert.All(names, name => Assert.True(_store.Remove(name)));
        Assert.Empty(_store.List());
    }

    public static TheoryData<InstanceRecord, string> WrongMachines => new()
    {
        { Sample with { Hypervisor = "kvm\n" }, "no name of a hypervisor" },
        { Sample with { HypervisorParameters = new Dictionary<string, string> { ["a b"] = "" } }, "'a b' is no parameter" },
        { Sample with { BackendParameters = new Dictionary<string, string> { ["maxmem"] = "1\n2" } }, "'maxmem' is no parameter" },
        { Sample with { Nics = [new InstanceNic("aa:bb")] }, "network interface 0: 'aa:bb' is no hardware address" },
        { Sample with { Nics = [Nic, Nic with { Ip = "192.0.2.300" }] }, "network interface 1: '192.0.2.300' is no IPv4 or IPv6 address" },
        { Sample with { Nics = [Nic with { Link = "br 0" }] }, "'br 0' is no name of a link or network" },
        { Sample with { Nics = [.. Enumerable.Repeat(Nic, 33)] }, "more than 32 network interfaces" },
        { Sample with { Disks = [new TargetDisk("vm1.img")] }, "'vm1.img' (raw) is no disk, which is an absolute path" },
        { Sample with { Disks = [new TargetDisk("/vm1.vdi", "vdi")] }, "'/vm1.vdi' (vdi) is no disk" },
        { Sample with { Disks = [.. Enumerable.Repeat(new TargetDisk("/x"), 65)] }, "or 64 disks" },
    };

    private static InstanceNic Nic => new("aa:00:00:12:34:56");

    [Theory]
    [MemberData(nameof(WrongMachines))]
    public void What_cannot_be_told_of_a_machine_is_not_stored(InstanceRecord record, string said) =>
        Assert.Contains(said, Assert.Throws<ChannelException>(() => _store.Put(record)).Message);

    [Theory]
    [InlineData("{\"nics\": [null]}")]
    [InlineData("{\"nics\": [{}]}")]
    [InlineData("{\"nics\": [{\"mac\": null}]}")]
    [InlineData("{\"hypervisor\": null}")]
    [InlineData("{\"backend_parameters\": {\"maxmem\": null}}")]
    public void A_file_with_nothing_where_something_must_be_is_no_record(string json)
    {
        _folder.Write("records/vm1.json", json);
        Assert.Contains("holds no valid record", Assert.Throws<ChannelException>(() => _store.Get("vm1")).Message);
    }

    [Fact]
    public void A_record_is_shown_in_the_words_that_set_it()
    {
        var shown = InstanceRecordStore.ToPublicJson(Sample);
        Assert.All((string[])["\"self_install\"", "\"openvswitch\"", "\"public\"", "\"private\"", "\"secret\""], word => Assert.Contains(word, shown));
        Assert.Contains("\"run\"", InstanceRecordStore.ToPublicJson(Sample with { Mode = ExecutionMode.Run }));
    }

    [Fact]
    public void The_channel_is_off_in_run_mode_unless_it_is_asked_for_and_on_in_the_others()
    {
        var record = new InstanceRecord { Name = "vm1" };
        Assert.Equal(ExecutionMode.Run, record.Mode);
        Assert.False(record.HasCommunication);
        Assert.True((record with { Communication = true }).HasCommunication);
        Assert.True((record with { Mode = ExecutionMode.Install }).HasCommunication);
        Assert.True((record with { Mode = ExecutionMode.SelfInstall }).HasCommunication);
    }

    [Fact]
    public void A_private_value_is_in_the_file_of_mode_0600_and_nowhere_else()
    {
        _store.Put(Sample);
        var file = Assert.Single(Directory.GetFiles(_folder.At("records"), "*.json"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Contains("MARKED-PRIVATE", File.ReadAllText(file));
        var shown = InstanceRecordStore.ToPublicJson(_store.Get("vm1"));
        Assert.DoesNotContain("MARKED-PRIVATE", shown + _store.Get("vm1"));
        Assert.Contains("\"license\"", shown);
        Assert.Contains("\"guest\"", shown);
    }

    [Fact]
    public void A_secret_with_a_value_is_not_stored()
    {
        var error = Assert.Throws<ChannelException>(() => _store.Put(Sample.With("root_password", OsParameter.Secret("MARKED-SECRET"))));
        Assert.Contains("root_password", error.Message);
        Assert.DoesNotContain("MARKED-SECRET", error.Message);
        Assert.Empty(_store.List());
    }

    [Theory]
    [InlineData("OSP_X", "no parameter name")]
    [InlineData("9x", "no parameter name")]
    [InlineData("a-b", "no parameter name")]
    public void A_wrong_parameter_name_is_refused(string name, string said) =>
        Assert.Contains(said, Assert.Throws<ChannelException>(() => _store.Put(Sample.With(name, OsParameter.Public("x")))).Message);

    [Theory]
    [InlineData("ftp://example.org/x.tgz", "file://, http:// or https://")]
    [InlineData("https://user:MARKED@example.org/x.tgz", "user or password")]
    [InlineData("https://example.org/x.zip", ".tar.gz or .tgz")]
    [InlineData("file://host/x.tgz", "three slashes")]
    [InlineData("x.tgz", "absolute URL")]
    public void A_wrong_package_url_is_refused_and_not_repeated(string url, string said)
    {
        var error = Assert.Throws<ChannelException>(() => _store.Put(Sample with { PersonalizationUrl = url }));
        Assert.Contains(said, error.Message);
        Assert.DoesNotContain("MARKED", error.Message);
    }

    [Fact]
    public void A_definition_and_an_image_exclude_each_other() =>
        Assert.Contains("one of them", Assert.Throws<ChannelException>(() => _store.Put(Sample with { OsImage = "x.img" })).Message);

    [Theory]
    [InlineData("{")]
    [InlineData("{\"mode\":\"fly\"}")]
    [InlineData("{\"surprise\":1}")]
    [InlineData("{\"parameters\":{\"license\":{\"class\":\"private\"}}}")]
    public void A_damaged_file_is_an_error_that_repeats_nothing_of_it(string content)
    {
        _store.Put(Sample);
        File.WriteAllText(_folder.At("records", "vm1.json"), content.Replace("fly", "MARKED-PRIVATE", StringComparison.Ordinal));
        var error = Assert.Throws<ChannelException>(() => _store.Get("vm1"));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.DoesNotContain("MARKED-PRIVATE", error.ToString());
    }

    [Fact]
    public void A_change_starts_from_the_present_record_and_a_removed_record_is_gone()
    {
        _store.Put(Sample);
        Assert.True(_store.Change("vm1", r => r with { Communication = true }).Communication);
        Assert.True(_store.Get("vm1").Communication);
        Assert.True(_store.Remove("vm1"));
        Assert.False(_store.Remove("vm1"));
        Assert.Contains("vm1", Assert.Throws<ChannelException>(() => _store.Get("vm1")).Message);
    }

    [Fact]
    public void A_renamed_record_keeps_all_that_it_holds_and_takes_no_others_name()
    {
        _store.Put(Sample);
        _store.Rename("vm1", "vm2.example.org");
        Assert.Equal(["vm2.example.org"], _store.List());
        Assert.Equal(Sample.Parameters, _store.Get("vm2.example.org").Parameters);
        _store.Put(Sample);
        var error = Assert.Throws<ChannelException>(() => _store.Rename("vm1", "vm2.example.org"));
        Assert.Equal((ChannelError.FailedPrecondition, true), (error.Code, error.Message.Contains("vm2.example.org has a record already", StringComparison.Ordinal)));
        Assert.Equal(ChannelError.NotFound, Assert.Throws<ChannelException>(() => _store.Rename("vm3", "vm4")).Code);
        Assert.Contains("is no instance name", Assert.Throws<ChannelException>(() => _store.Rename("vm1", "../vm4")).Message);
        Assert.Equal(["vm1", "vm2.example.org"], _store.List());
    }

    [Fact]
    public async Task A_secret_is_read_from_a_file_shows_nothing_and_is_gone_when_disposed_of()
    {
        var path = _folder.Write("password", "MARKED-SECRET\n");
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var secret = await SecretValue.ReadAsync(file);
        Assert.Equal("MARKED-SECRET"u8, secret.GetSpan());
        Assert.Equal("<redacted>", secret.ToString());
        secret.Dispose();
        Assert.Throws<ObjectDisposedException>(() => secret.GetSpan().Length);
        secret.Dispose();
    }

    [Fact]
    public async Task A_secret_that_is_too_long_or_empty_is_refused()
    {
        Assert.Contains("empty", (await Assert.ThrowsAsync<ChannelException>(() => SecretValue.ReadAsync(new MemoryStream("\n"u8.ToArray())))).Message);
        Assert.Contains("65536", (await Assert.ThrowsAsync<ChannelException>(() => SecretValue.ReadAsync(new MemoryStream(new byte[70_000])))).Message);
    }

    [Fact]
    public void Secrets_are_wiped_together_and_one_at_a_time()
    {
        var secrets = new SecretParameters();
        var first = SecretValue.CopyOf("one"u8);
        var second = SecretValue.CopyOf(Encoding.UTF8.GetBytes("two"));
        secrets.Add("a", first);
        secrets.Add("a", second);
        Assert.Throws<ObjectDisposedException>(() => first.GetSpan().Length);
        Assert.Throws<ChannelException>(() => secrets.Add("A", SecretValue.CopyOf("x"u8)));
        Assert.DoesNotContain("two", secrets.ToString());
        secrets.Dispose();
        Assert.Throws<ObjectDisposedException>(() => second.GetSpan().Length);
    }
}
