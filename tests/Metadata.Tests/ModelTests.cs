using System.Text;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Tests;

public class ModelTests
{
    [Fact]
    public void A_document_survives_the_way_into_the_model_and_back()
    {
        var once = Samples.Parse(Samples.Full);
        Assert.Equal("#!/bin/sh\necho \"hello\"   # not a comment of YAML\n\nexit 0\n", Encoding.UTF8.GetString(once.UserData!.Value.Span));
        Assert.Equal([0xff, 0x00, 0xfe], once.Files[1].Content.ToArray());
        Assert.Equal("192.0.2.0/24", once.Network!.Interfaces[0].Subnets[0].ToString());
        var text = JsonText.WriteText(once.ToDocument(ParameterClass.Secret));
        Assert.Equal(text, JsonText.WriteText(Samples.Parse(text).ToDocument(ParameterClass.Secret)));
    }

    [Fact]
    public void What_is_absent_stays_absent()
    {
        var small = Samples.Parse(Samples.Small);
        Assert.Null(small.UserData);
        Assert.Null(small.RandomSeed);
        Assert.Null(small.VendorData);
        Assert.Null(small.Network);
        Assert.Equal("", Encoding.UTF8.GetString(Samples.Parse(Samples.Small + "user_data: ''\n").UserData!.Value.Span));
    }

    [Theory]
    [InlineData("hostname: a\n", "instance_id", "missing")]
    [InlineData("instance_id: a\n", "hostname", "missing")]
    [InlineData(Samples.Small + "hostnam: b\n", "hostnam", "did you mean 'hostname'")]
    [InlineData(Samples.Small + "os: {paramters: {}}\n", "os.paramters", "did you mean 'parameters'")]
    [InlineData("instance_id: 12\nhostname: a\n", "instance_id", "a number and must be text; put it in quotes")]
    [InlineData("instance_id: [a]\nhostname: a\n", "instance_id", "a list and must be text")]
    [InlineData("instance_id: a b\nhostname: a\n", "instance_id", "without spaces")]
    [InlineData("instance_id: a\nhostname: -x\n", "hostname", "letters, digits and hyphens")]
    [InlineData(Samples.Small + "public_keys: {\"a=b\": ssh-rsa x}\n", "public_keys.a=b", "without '='")]
    [InlineData(Samples.Small + "public_keys: {a: \"ssh-rsa x\\nssh-rsa y\"}\n", "public_keys.a", "one line")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: eth0, mac: zz}]}\n", "network.interfaces[0].mac", "six octets")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: eth0, mac: 52:54:00:12:34:56, addresses: [192.0.2.5]}]}\n", "network.interfaces[0].addresses[0]", "prefix length")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: a, mac: 52:54:00:12:34:56}, {name: b, mac: 52:54:00:12:34:56}]}\n", "network.interfaces", "52:54:00:12:34:56")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: a, mac: 52:54:00:12:34:56, mtu: 70000}]}\n", "network.interfaces[0].mtu", "576 to 65535")]
    [InlineData(Samples.Small + "ec2: {tokens: maybe}\n", "ec2.tokens", "optional, required")]
    [InlineData(Samples.Small + "ec2: {meta_data: {a/b: x}}\n", "ec2.meta_data.a/b", "letters, digits")]
    [InlineData(Samples.Small + "ec2: {meta_data: {a: {}}}\n", "ec2.meta_data.a", "directory")]
    [InlineData(Samples.Small + "ec2: {meta_data: {a: 1}}\n", "ec2.meta_data.a", "put it in quotes")]
    [InlineData(Samples.Small + "public_keys: {\" a\": ssh-rsa x}\n", "public_keys.(a key that is no name)", "spaces only within")]
    [InlineData(Samples.Small + "meta: {\"\": x}\n", "meta.(a key that is no name)", "1 to 255")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: a, mac: 01:00:5e:00:00:01}]}\n", "network.interfaces[0].mac", "one interface")]
    [InlineData(Samples.Small + "network: {interfaces: [{name: a, mac: ff:ff:ff:ff:ff:ff}]}\n", "network.interfaces[0].mac", "one interface")]
    [InlineData(Samples.Small + "files: [{path: etc/motd, content: x}]\n", "files[0].path", "absolute")]
    [InlineData(Samples.Small + "random_seed: '!!'\n", "random_seed", "base64")]
    [InlineData(Samples.Small + "os: {parameters: {a: x}}\n", "os.parameters.a", "mapping")]
    [InlineData(Samples.Small + "os: {parameters: {a: {value: x}}}\n", "os.parameters.a.class", "public, private or secret")]
    [InlineData(Samples.Small + "os: {parameters: {a: {value: x, class: hidden}}}\n", "os.parameters.a.class", "public, private, secret")]
    [InlineData(Samples.Small + "os: {parameters: {a: {class: private}}}\n", "os.parameters.a.value", "missing")]
    [InlineData(Samples.Small + "os: {scripts: {destroy: x}}\n", "os.scripts.destroy", "create, create_untrusted, export, import, rename, verify")]
    [InlineData(Samples.Small + "os: {package_file: a.tgz}\n", "os.package_file", "absolute")]
    public void A_wrong_document_is_refused_with_the_path_and_what_is_allowed(string text, string path, string expected)
    {
        var error = Samples.Refusal(text);
        Assert.Equal((ChannelError.BadConfiguration, ErrorClass.Refused), (error.Code, error.Class));
        Assert.StartsWith($"metadata: {path}: ", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void A_private_parameter_without_a_value_keeps_the_known_one()
    {
        var known = Samples.Parse(Samples.Full);
        var shown = Encoding.UTF8.GetBytes(known.ToPublicJson());
        Assert.Equal("L-PRIVATE-1", InstanceMetadata.Parse(shown, known).Os.Parameters["license"].Reveal());
        Assert.Contains("os.parameters.license.value", Assert.Throws<ChannelException>(() => InstanceMetadata.Parse(shown)).Message);
    }

    [Fact]
    public void Private_and_secret_values_are_in_no_text_that_is_not_asked_for_them()
    {
        var data = Samples.Parse(Samples.Full);
        var shown = data.ToPublicJson() + data + string.Concat(data.Os.Parameters.Values) + data.Os;
        Assert.Contains("amd64", shown);
        Assert.DoesNotContain("L-PRIVATE-1", shown);
        Assert.DoesNotContain("hunter2-secret", shown);
        Assert.Equal("hunter2-secret", data.Os.Parameters["root_password"].Reveal());
    }

    [Fact]
    public void A_merge_changes_what_it_names_and_keeps_secrets()
    {
        var merged = Samples.Parse(Samples.Full).Merge("hostname: vm2\npublic_keys: {other: null}\nos: {parameters: {arch: {value: arm64}}}\n"u8);
        Assert.Equal("vm2", merged.Hostname);
        Assert.Equal(["lab-key"], merged.PublicKeys.Keys);
        Assert.Equal("arm64", merged.Os.Parameters["arch"].Reveal());
        Assert.Equal("hunter2-secret", merged.Os.Parameters["root_password"].Reveal());
        Assert.Throws<ChannelException>(() => merged.Merge("instance_id: null\n"u8));
    }
}
