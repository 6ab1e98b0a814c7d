using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Definitions that were written for Ganeti find what ganeti-os-interface(7) says.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class GanetiInterfaceTests
{
    private const string ShowAll = "#!/bin/sh\nenv\n";

    [Fact]
    public async Task Scripts_are_told_of_the_instance_its_machine_and_its_interfaces_by_ganetis_names()
    {
        FakeScript? seen = null;
        using var rig = new InstallRig(script =>
        {
            seen = script;
            return Task.FromResult(InstallRig.Well);
        });
        rig.Write("debootstrap/create", ShowAll);
        rig.Write("debootstrap/untrusted/create", "");
        rig.Write("debootstrap/ganeti_api_version", "5\n10\n15\n20\n");
        rig.Write("debootstrap/variants.list", "default\nbookworm\n");
        rig.Records.Change("vm1", static record => record with
        {
            OsDefinition = "debootstrap+bookworm",
            Hypervisor = "xen-pvm",
            HypervisorParameters = new Dictionary<string, string> { ["kernel_path"] = "/boot/vmlinuz", ["disk_type"] = "paravirtual" },
            BackendParameters = new Dictionary<string, string> { ["maxmem"] = "1024" },
            Nics =
            [
                new InstanceNic("aa:00:00:12:34:56") { Ip = "192.0.2.7", Link = "br0", Network = "lan" },
                new InstanceNic("aa:00:00:12:34:57") { Mode = NicMode.Routed, Link = "100" },
            ],
        });
        var (result, events) = await rig.RunAsync(static request => request with { IsReinstall = true, DebugLevel = 2 });
        Assert.Equal("", result.Reason);
        string[] expected =
        [
            "INSTANCE_NAME=vm1", "INSTANCE_OS=debootstrap+bookworm", "OS_NAME=debootstrap", "OS_VARIANT=bookworm", "OS_API_VERSION=20",
            "HYPERVISOR=xen-pvm", "DEBUG_LEVEL=2", "INSTANCE_REINSTALL=1", "INSTANCE_HV_kernel_path=/boot/vmlinuz", "INSTANCE_BE_maxmem=1024",
            "DISK_COUNT=1", "DISK_0_ACCESS=rw", "DISK_0_FRONTEND_TYPE=paravirtual", "NIC_COUNT=2", "NIC_0_MAC=aa:00:00:12:34:56",
            "NIC_0_IP=192.0.2.7", "NIC_0_MODE=bridged", "NIC_0_LINK=br0", "NIC_0_BRIDGE=br0", "NIC_0_NETWORK_NAME=lan",
            "NIC_1_MAC=aa:00:00:12:34:57", "NIC_1_MODE=routed", "NIC_1_LINK=100",
        ];
        Assert.Empty(expected.Append($"DISK_0_PATH={rig.Disk}").Except(events.OfType<OutputEvent>().Select(static e => e.Text)));
        Assert.Empty(expected.Append("DISK_0_PATH=/dev/vda").Except(seen!.Request.Environment.Select(static v => v.ToStringUtf8())));
        Assert.DoesNotContain(events.OfType<OutputEvent>(), static e => e.Text.StartsWith("NIC_1_BRIDGE", StringComparison.Ordinal) || e.Text.StartsWith("NIC_1_IP", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_script_of_the_host_begins_beside_its_own_files_and_has_a_folder_for_others()
    {
        using var rig = new InstallRig();
        rig.Write("os/common.sh", "found() { echo \"found $TMPDIR\"; }\n");
        rig.Write("os/create", "#!/bin/sh\nset -e\n. ./common.sh\ntouch \"$TMPDIR/mine\"\nfound\n");
        var (result, events) = await rig.RunAsync();
        Assert.Equal("", result.Reason);
        var temporary = Assert.Single(events.OfType<OutputEvent>()).Text["found ".Length..];
        Assert.StartsWith(rig.State, temporary);
        Assert.False(Directory.Exists(temporary));
    }

    [Fact]
    public async Task A_relative_disk_is_the_same_file_for_the_script()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\ntest -f \"$DISK_0_PATH\" && echo \"$DISK_0_PATH\"\n");
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, rig.Disk);
        var (result, events) = await rig.RunAsync(request => request with { Disks = [new(relative)] });
        Assert.Equal("", result.Reason);
        Assert.Equal(rig.Disk, Assert.Single(events.OfType<OutputEvent>()).Text);
    }

    [Fact]
    public async Task Verify_is_asked_for_the_parameters()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        rig.Write("os/verify", "#!/bin/sh\necho \"$# $1\"\n");
        var (result, events) = await rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Equal("1 parameters", Assert.Single(events.OfType<OutputEvent>()).Text);
    }

    [Theory]
    [InlineData("os", "default\nbig\n", "default")]
    [InlineData("os+big", "# of them\ndefault\n\nbig\n", "big")]
    [InlineData("os", null, "")]
    public async Task Without_a_variant_the_first_is_meant(string name, string? variants, string told)
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\necho \"[$OS_VARIANT]\"\n");
        if (variants is not null)
        {
            rig.Write("os/variants.list", variants);
        }

        rig.Records.Change("vm1", record => record with { OsDefinition = name });
        var (result, events) = await rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Equal($"[{told}]", Assert.Single(events.OfType<OutputEvent>()).Text);
    }

    [Theory]
    [InlineData("os+none", "default\n", "has no variant none; known are default")]
    [InlineData("os+none", null, "has no variants")]
    [InlineData("os", "a b\n", "'a b' is no name of a variant")]
    public void A_variant_that_is_not_there_or_is_none_is_refused_before_anything_begins(string name, string? variants, string said)
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        if (variants is not null)
        {
            rig.Write("os/variants.list", variants);
        }

        rig.Records.Change("vm1", record => record with { OsDefinition = name });
        Assert.Contains(said, Assert.Throws<ChannelException>(() => rig.Start()).Message);
    }

    [Theory]
    [InlineData("5\n", "know the versions 5 of the interface; 20, 15, 10 are supported")]
    [InlineData("twenty\n", "'twenty' is no number")]
    [InlineData("", "are supported")]
    public void An_interface_that_is_not_known_is_refused_with_those_that_are(string versions, string said)
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        rig.Write("os/ganeti_api_version", versions);
        Assert.Contains(said, Assert.Throws<ChannelException>(() => rig.Start()).Message);
    }

    [Fact]
    public void In_a_definition_of_ganetis_a_description_is_no_syntax()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        rig.Write("os/ganeti_api_version", "20\n");
        rig.Write("os/parameters.list", "ip Address of the instance\ndhcp required if no static address is given\n");
        var definition = new DefinitionCatalog(rig.At("definitions")).Load("os");
        Assert.Equal(new DefinitionParameter("dhcp", ParameterClass.Public, null, false, "required if no static address is given"), definition.Parameters["dhcp"]);
    }

    [Fact]
    public void A_list_of_variants_may_be_a_link_that_only_the_administrator_can_have_made()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        var list = rig.Write("etc/variants.list", "default\n");
        File.CreateSymbolicLink(rig.At("definitions", "os", "variants.list"), list);
        var catalog = new DefinitionCatalog(rig.At("definitions"));
        Assert.Equal(["default"], catalog.Load("os").Interface.Variants);

        File.SetUnixFileMode(list, (UnixFileMode)0b110_110_110);
        Assert.Contains("everybody may write it", Assert.Throws<ChannelException>(() => catalog.Load("os")).Message);
        File.Delete(list);
        Assert.Contains("the link cannot be followed", Assert.Throws<ChannelException>(() => catalog.Load("os")).Message);
    }

    [Fact]
    public void More_than_a_script_takes_is_refused_before_anything_begins()
    {
        using var rig = new InstallRig();
        rig.Write("os/create", "#!/bin/sh\n");
        rig.Records.Change("vm1", static record => record with
        {
            HypervisorParameters = Enumerable.Range(0, 20).ToDictionary(static i => $"p{i}", static _ => new string('x', 1024)),
        });
        Assert.Contains("a script takes 512 with 16384", Assert.Throws<ChannelException>(() => rig.Start()).Message);
    }
}
