using System.Text;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

public sealed class DefinitionTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private DefinitionCatalog Catalog(DefinitionPolicy? policy = null) => new(_folder.Path, policy);

    private ChannelException Fails(string name, InstallAction action = InstallAction.Create, DefinitionPolicy? policy = null) =>
        Assert.Throws<ChannelException>(() => Catalog(policy).Load(name, action));

    [Fact]
    public void A_definition_is_loaded_with_its_halves_and_parameters()
    {
        _folder.Write("debian/create", "#!/bin/sh\n", isScript: true);
        _folder.Write("debian/verify", "#!/bin/sh\n", isScript: true);
        _folder.Write("debian/untrusted/create", "#!/bin/sh\n", isScript: true);
        _folder.Write("debian/untrusted/export", "#!/bin/sh\n", isScript: true);
        _folder.Write("debian/untrusted/common.sh", "x=1\n");
        _folder.Write("debian/parameters.list", """
            # what can be said
            hostname public =guest Name of the system
            mirror   ="http://deb.debian.org/debian?a=\"b\"" Where from
            license  private required License key
            root_password secret required
            note Ganeti has a description here
            """);
        var definition = Catalog().Load("debian", InstallAction.Create);
        Assert.True(definition.HasTrusted(InstallAction.Create) && definition.HasUntrusted(InstallAction.Create) && definition.HasVerify);
        Assert.False(definition.HasTrusted(InstallAction.Export));
        Assert.Equal(
        [
            new DefinitionParameter("hostname", ParameterClass.Public, "guest", false, "Name of the system"),
            new DefinitionParameter("mirror", ParameterClass.Public, "http://deb.debian.org/debian?a=\"b\"", false, "Where from"),
            new DefinitionParameter("license", ParameterClass.Private, null, true, "License key"),
            new DefinitionParameter("root_password", ParameterClass.Secret, null, true, ""),
            new DefinitionParameter("note", ParameterClass.Public, null, false, "Ganeti has a description here"),
        ], definition.Parameters.Values);
        var files = definition.ReadUntrusted();
        Assert.Equal([("common.sh", false), ("create", true), ("export", true)], files.Select(f => (f.Name, f.IsExecutable)));
        Assert.Equal(["debian"], Catalog().List());
    }

    [Theory]
    [InlineData("x secret =y", "line 1", "a secret is never stored")]
    [InlineData("\nX public", "line 2", "no parameter name")]
    [InlineData("a\na", "line 2", "second time")]
    [InlineData("a =\"b", "line 1", "without another")]
    public void A_wrong_parameter_list_says_the_line_and_what_is_wrong(string list, string line, string said)
    {
        _folder.Write("os/create", "", isScript: true);
        _folder.Write("os/parameters.list", list);
        var error = Fails("os");
        Assert.Contains(line, error.Message);
        Assert.Contains(said, error.Message);
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
    }

    [Fact]
    public void A_missing_definition_names_those_that_are_there()
    {
        Directory.CreateDirectory(_folder.At("debian"));
        var error = Fails("debain");
        Assert.Equal(ChannelError.NotFound, error.Code);
        Assert.Contains("known are debian", error.Message);
        Assert.Equal(ChannelError.BadConfiguration, Fails("../debian").Code);
    }

    [Fact]
    public void An_action_without_either_half_is_refused()
    {
        _folder.Write("os/untrusted/create", "", isScript: true);
        Assert.Contains("neither", Fails("os", InstallAction.Export).Message);
        Assert.True(Catalog().Load("os", InstallAction.Create).HasUntrusted(InstallAction.Create));
    }

    [Fact]
    public void A_script_that_cannot_be_run_is_told_of()
    {
        _folder.Write("a/create", "");
        Assert.Contains("chmod +x", Fails("a").Message);
        _folder.Write("b/untrusted/create", "");
        Assert.Contains("b/untrusted/create: it is not executable", Fails("b").Message);
        Directory.CreateDirectory(_folder.At("c", "create"));
        Assert.Contains("no regular file", Fails("c").Message);
        File.SetUnixFileMode(_folder.Write("d/create", "", isScript: true), (UnixFileMode)0b111_111_111);
        Assert.Contains("everybody may write it", Fails("d").Message);
    }

    [Fact]
    public void What_a_script_of_the_host_may_read_is_the_administrators_too()
    {
        _folder.Write("os/create", "#!/bin/sh\n", isScript: true);
        var common = _folder.Write("os/hooks/common.sh", "");
        _folder.Write("os/untrusted/anything", "");
        File.SetUnixFileMode(_folder.At("os", "untrusted", "anything"), (UnixFileMode)0b110_110_110);
        File.CreateSymbolicLink(_folder.At("os", "missing"), "/nonexistent");
        Catalog().Load("os");

        File.SetUnixFileMode(common, (UnixFileMode)0b110_110_110);
        Assert.Contains("os/hooks/common.sh: everybody may write it", Fails("os").Message);
        File.SetUnixFileMode(common, (UnixFileMode)0b110_100_100);
        var elsewhere = _folder.Write("elsewhere", "");
        File.SetUnixFileMode(elsewhere, (UnixFileMode)0b110_110_100);
        File.CreateSymbolicLink(_folder.At("os", "variants"), elsewhere);
        Assert.Contains("os/variants: its group may write it", Fails("os").Message);
    }

    [Fact]
    public void A_script_or_folder_for_the_host_is_no_link()
    {
        Directory.CreateDirectory(_folder.At("linked"));
        Directory.CreateSymbolicLink(_folder.At("linked", "untrusted"), "/etc");
        Assert.Contains("it is a link", Fails("linked").Message);
        File.CreateSymbolicLink(_folder.At("linked", "create"), "/nonexistent");
        File.Delete(_folder.At("linked", "untrusted"));
        Assert.Contains("it is a link", Fails("linked").Message);
    }

    [Fact]
    public void Folders_of_the_untrusted_half_go_with_it()
    {
        _folder.Write("os/untrusted/create", "", isScript: true);
        _folder.Write("os/untrusted/tasks/10-disk", "", isScript: true);
        _folder.Write("os/untrusted/tasks/files/hosts", "x");
        Directory.CreateDirectory(_folder.At("os", "untrusted", "empty"));
        Assert.Equal([("create", true), ("tasks/10-disk", true), ("tasks/files/hosts", false)],
            Catalog().Load("os").ReadUntrusted().Select(static file => (file.Name, file.IsExecutable)));

        _folder.Write("os/untrusted/1/2/3/4/5/6/7/8", "");
        Assert.Equal(4, Catalog().Load("os").ReadUntrusted().Count);
        _folder.Write("os/untrusted/1/2/3/4/5/6/7/9/10", "");
        Assert.Contains("at most 7 deep", Assert.Throws<ChannelException>(() => Catalog().Load("os").ReadUntrusted()).Message);
    }

    [Fact]
    public void Too_many_files_or_bytes_for_an_appliance_are_refused()
    {
        _folder.Write("os/untrusted/create", new string('x', 300 << 10), isScript: true);
        Assert.Contains("245760 are allowed", Assert.Throws<ChannelException>(() => UntrustedFiles.Read(SourceFolder.Open(_folder.At("os", "untrusted")))).Message);
        for (var i = 0; i < 257; i++)
        {
            _folder.Write($"many/untrusted/f{i}", "");
        }

        Assert.Contains("at most 256 files", Assert.Throws<ChannelException>(() => UntrustedFiles.Read(SourceFolder.Open(_folder.At("many", "untrusted")))).Message);
        for (var i = 0; i < 257; i++)
        {
            Directory.CreateDirectory(_folder.At("folders", "untrusted", $"{i / 16}", $"{i}"));
        }

        Assert.Contains("at most 256 files", Assert.Throws<ChannelException>(() => UntrustedFiles.Read(SourceFolder.Open(_folder.At("folders", "untrusted")))).Message);
    }

    [Fact]
    public void The_administrator_can_forbid_scripts_on_the_host()
    {
        _folder.Write("both/create", "", isScript: true);
        _folder.Write("both/untrusted/create", "", isScript: true);
        _folder.Write("guest/untrusted/create", "", isScript: true);
        var error = Fails("both", policy: new DefinitionPolicy { ForbidTrusted = true });
        Assert.Equal(ChannelError.PermissionDenied, error.Code);
        Assert.Equal(ChannelError.PermissionDenied, Fails("both", policy: new DefinitionPolicy { ForbidTrustedOf = new HashSet<string> { "both" } }).Code);
        Assert.NotNull(Catalog(new DefinitionPolicy { ForbidTrusted = true }).Load("guest", InstallAction.Create));
        Assert.NotNull(Catalog(new DefinitionPolicy { ForbidTrustedOf = new HashSet<string> { "guest" } }).Load("both", InstallAction.Create));
    }

    private static string Text(OperationParameter parameter) => Encoding.UTF8.GetString(parameter.Value.Span);

    [Fact]
    public void Parameters_are_the_defaults_the_records_and_the_secrets()
    {
        _folder.Write("os/create", "", isScript: true);
        _folder.Write("os/parameters.list", "hostname =guest\nsize =1G\nroot_password secret required\nunset\n");
        var definition = Catalog().Load("os", InstallAction.Create);
        var record = new InstanceRecord { Name = "vm1" }.With("hostname", OsParameter.Private("mine"));
        using var secrets = new SecretParameters();
        Assert.Contains("needs the secret parameter root_password", Assert.Throws<ChannelException>(() => OperationParameters.Resolve(definition, record, null)).Message);
        secrets.Add("root_password", SecretValue.CopyOf("s3cret"u8));
        var resolved = OperationParameters.Resolve(definition, record, secrets);
        Assert.Equal([("hostname", ParameterClass.Private, "mine"), ("root_password", ParameterClass.Secret, "s3cret"), ("size", ParameterClass.Public, "1G")],
            resolved.Select(p => (p.Name, p.Class, Text(p))));
        Assert.DoesNotContain("mine", string.Concat(resolved));
    }

    [Fact]
    public void A_reinstall_without_its_secrets_is_refused()
    {
        _folder.Write("os/create", "", isScript: true);
        var record = new InstanceRecord { Name = "vm1" }.With("root_password", OsParameter.Secret(null));
        var error = Assert.Throws<ChannelException>(() => OperationParameters.Resolve(Catalog().Load("os", InstallAction.Create), record, null));
        Assert.Contains("root_password is secret, and its value was not given", error.Message);
    }

    [Fact]
    public void An_unknown_parameter_and_one_kept_too_openly_are_refused()
    {
        _folder.Write("os/create", "", isScript: true);
        _folder.Write("os/parameters.list", "hostname\nlicense private\n");
        var definition = Catalog().Load("os", InstallAction.Create);
        var record = new InstanceRecord { Name = "vm1" };
        Assert.Contains("did you mean hostname?", Assert.Throws<ChannelException>(() =>
            OperationParameters.Resolve(definition, record.With("hostnam", OsParameter.Public("x")), null)).Message);
        var error = Assert.Throws<ChannelException>(() => OperationParameters.Resolve(definition, record.With("license", OsParameter.Public("MARKED")), null));
        Assert.Contains("license is private and is kept as public", error.Message);
        Assert.DoesNotContain("MARKED", error.Message);
    }
}
